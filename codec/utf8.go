package codec

import "unicode/utf8"

// utf8Prefix looks at text of which the end has not arrived yet. n counts the
// bytes of whole characters; the 0 to 3 bytes after them begin a character that
// may still become valid. ok is false as soon as no continuation can make b
// valid, in the middle of a character too (RFC 6455 section 8.1: fail at once).
func utf8Prefix(b []byte) (n int, ok bool) {
	n = len(b)
	// An unfinished character is at most the last three bytes.
	for i := len(b) - 1; i >= 0 && i >= len(b)-(utf8.UTFMax-1); i-- {
		if utf8.RuneStart(b[i]) {
			// FullRune is true for bytes that can never become a character.
			if !utf8.FullRune(b[i:]) {
				n = i
			}
			break
		}
	}
	return n, utf8.Valid(b[:n])
}
