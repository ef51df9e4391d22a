package live

import (
	"strings"
	"unicode"
)

// clean makes text from elsewhere, such as the close reason that a server
// chose, fit for a terminal: it stays on its line and cannot steer the
// terminal, hide itself or turn the direction of the rest.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r != ' ' && (unicode.IsSpace(r) || !unicode.IsGraphic(r)) {
			return '·'
		}
		return r
	}, strings.ToValidUTF8(s, "·"))
}
