package config

import (
	"fmt"
	"io"
	"strings"
)

// originColumn is where the origins begin, when the values leave room.
const originColumn = 48

// WriteEffective writes every setting as a line of YAML with its value and, as a comment, where it comes from. Secrets are
// masked.
func (l *Loaded) WriteEffective(w io.Writer) error {
	var b strings.Builder
	switch {
	case len(l.Files) == 0:
		b.WriteString("# file: none\n")
	case l.Found:
		fmt.Fprintf(&b, "# file: %s (found in the directory; --config names another)\n", strings.Join(l.Files, ", "))
	default:
		fmt.Fprintf(&b, "# file: %s\n", strings.Join(l.Files, ", "))
	}
	for _, s := range settings {
		origin := l.Origins[s.key]
		line := s.key + ": " + s.yamlValue(&l.Config, origin.Source != SourceDefault) // a default is no secret
		fmt.Fprintf(&b, "%-*s # %v\n", originColumn, line, origin)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
