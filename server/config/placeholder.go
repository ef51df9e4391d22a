package config

import (
	"fmt"
	"strings"
)

// placeholderDepth bounds how deep placeholders may refer to each other, which also ends circles.
const placeholderDepth = 16

// placeholders replaces ${name} and ${name:default} as Spring does.
type placeholders struct {
	env   map[string]string
	props map[string]string // texts of the file by uniform key
}

// expand replaces every placeholder in text. \${ stands for ${ itself; a ${ without } is left as it is.
func (p placeholders) expand(text string) (string, error) { return p.expandAt(text, 0) }

func (p placeholders) expandAt(text string, depth int) (string, error) {
	if !strings.Contains(text, "${") {
		return text, nil
	}
	if depth == placeholderDepth {
		return "", fmt.Errorf("placeholders refer to each other in a circle or too deeply")
	}
	var b strings.Builder
	for {
		start := strings.Index(text, "${")
		if start < 0 {
			b.WriteString(text)
			return b.String(), nil
		}
		if start > 0 && text[start-1] == '\\' {
			b.WriteString(text[:start-1] + "${")
			text = text[start+2:]
			continue
		}
		end := closing(text[start:])
		if end < 0 {
			b.WriteString(text)
			return b.String(), nil
		}
		value, err := p.resolve(text[start+2:start+end], depth)
		if err != nil {
			return "", err
		}
		b.WriteString(text[:start] + value)
		if b.Len() > maxFileBytes {
			return "", fmt.Errorf("placeholders make the value too long")
		}
		text = text[start+end+1:]
	}
}

// closing is the index of the } that ends the placeholder at the beginning of text, or -1.
func closing(text string) int {
	open := 0
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "${"):
			open++
		case text[i] == '}':
			if open--; open == 0 {
				return i
			}
		}
	}
	return -1
}

// resolve looks a name up as an environment variable, by Spring's rule for environment variables, and as a key of the file.
func (p placeholders) resolve(inner string, depth int) (string, error) {
	name, preset, hasPreset := strings.Cut(inner, ":")
	name = strings.TrimSpace(name)
	for _, n := range append([]string{name}, envNames(name)...) {
		if v, ok := p.env[n]; ok {
			return v, nil
		}
	}
	if v, ok := p.props[uniform(name)]; ok {
		return p.expandAt(v, depth+1)
	}
	if hasPreset {
		return p.expandAt(preset, depth+1)
	}
	return "", fmt.Errorf("the placeholder ${%s} has no value: set the environment variable or write ${%s:default}", name, name)
}
