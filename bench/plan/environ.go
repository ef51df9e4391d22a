package plan

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var variable = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}`)

// expand replaces ${NAME} and ${NAME:-default} by the environment. $${ stands
// for ${ itself. The default is taken when the variable is not set or empty.
func expand(text string, lookup func(string) (string, bool)) (string, error) {
	if !strings.Contains(text, "${") {
		return text, nil
	}
	var b strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			b.WriteString(text)
			break
		}
		if i > 0 && text[i-1] == '$' {
			b.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		}
		m := variable.FindStringSubmatch(text[i:])
		if m == nil {
			return "", errors.New("a ${ is neither ${NAME} nor ${NAME:-default}; write $${ for the characters themselves")
		}
		value, ok := lookup(m[1])
		switch {
		case value == "" && m[2] != "":
			value = m[3]
		case !ok:
			return "", fmt.Errorf("the environment has no %s; set it or write ${%s:-default}", m[1], m[1])
		}
		b.WriteString(text[:i] + value)
		text = text[i+len(m[0]):]
		if b.Len() > MaxMessage {
			return "", fmt.Errorf("with its variables it has more than %d bytes", MaxMessage)
		}
	}
	return b.String(), nil
}
