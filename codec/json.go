package codec

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep JSON may be nested. encoding/json allows 10,000; a
// message for people has a handful, and a bound keeps the scanner off the heap.
const MaxDepth = 512

// Why a text is not what a caller wanted.
var (
	ErrBadJSON   = errors.New("not valid JSON")
	ErrTooDeep   = errors.New("JSON nested too deep")
	ErrNotObject = errors.New("not a JSON object")
)

// ValidJSON returns nil when b is one JSON value (RFC 8259) with nothing but
// white space around it, else ErrBadJSON or ErrTooDeep. It agrees with
// encoding/json.Valid but for the depth, and does not allocate.
func ValidJSON(b []byte) error {
	i, err := skipValue(b, skipSpace(b, 0), 0)
	if err != nil {
		return err
	}
	if skipSpace(b, i) != len(b) {
		return ErrBadJSON
	}
	return nil
}

// CompactJSON appends src without the white space between tokens; everything
// else stays as it came: numbers, escapes, member order, duplicates. dst is
// returned unchanged with ErrBadJSON or ErrTooDeep. dst and src must not overlap.
func CompactJSON(dst, src []byte) ([]byte, error) {
	if err := ValidJSON(src); err != nil {
		return dst, err
	}
	for i := 0; i < len(src); {
		switch {
		case isSpace(src[i]):
			i++
		case src[i] == '"':
			end, _ := skipString(src, i)
			dst = append(dst, src[i:end]...)
			i = end
		default:
			dst = append(dst, src[i])
			i++
		}
	}
	return dst, nil
}

// skipValue returns the index after the value that begins at b[i], within open
// levels of nesting. It is a loop, not a recursion; one bit per level tells
// objects from arrays.
func skipValue(b []byte, i, open int) (int, error) {
	var objects [MaxDepth / 64]uint64
	base := open
value:
	for {
		if i >= len(b) {
			return 0, ErrBadJSON
		}
		switch c := b[i]; {
		case c == '"':
			if i, _ = skipString(b, i); i < 0 {
				return 0, ErrBadJSON
			}
		case c == '{' || c == '[':
			if open == MaxDepth {
				return 0, ErrTooDeep
			}
			word, bit := &objects[open/64], uint64(1)<<(open%64)
			open++
			i = skipSpace(b, i+1)
			if i == len(b) {
				return 0, ErrBadJSON
			}
			if c == '[' {
				*word &^= bit
				if b[i] != ']' {
					continue value
				}
			} else {
				*word |= bit
				if b[i] != '}' {
					if i = skipName(b, i); i < 0 {
						return 0, ErrBadJSON
					}
					continue value
				}
			}
			i++
			open--
		default:
			if i = skipScalar(b, i); i < 0 {
				return 0, ErrBadJSON
			}
		}

		// A value has ended: close what ends with it, or go on to the next.
		for open > base {
			i = skipSpace(b, i)
			if i == len(b) {
				return 0, ErrBadJSON
			}
			object := objects[(open-1)/64]>>((open-1)%64)&1 != 0
			switch c := b[i]; {
			case c == ',':
				i = skipSpace(b, i+1)
				if object {
					if i = skipName(b, i); i < 0 {
						return 0, ErrBadJSON
					}
				}
				continue value
			case c == '}' && object, c == ']' && !object:
				i++
				open--
			default:
				return 0, ErrBadJSON
			}
		}
		return i, nil
	}
}

// skipName skips a member name and its colon, up to the value; -1 when there is none.
func skipName(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	if i, _ = skipString(b, i); i < 0 {
		return -1
	}
	if i = skipSpace(b, i); i == len(b) || b[i] != ':' {
		return -1
	}
	return skipSpace(b, i+1)
}

// skipScalar skips a number or a literal; -1 when it is neither.
func skipScalar(b []byte, i int) int {
	lit := ""
	switch b[i] {
	case 't':
		lit = "true"
	case 'f':
		lit = "false"
	case 'n':
		lit = "null"
	default:
		return skipNumber(b, i)
	}
	if len(b)-i < len(lit) || string(b[i:i+len(lit)]) != lit {
		return -1
	}
	return i + len(lit)
}

// skipNumber skips [-] int [frac] [exp] (RFC 8259 section 6).
func skipNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	default:
		if i = skipDigits(b, i); i < 0 {
			return -1
		}
	}
	if i < len(b) && b[i] == '.' {
		if i = skipDigits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return skipDigits(b, i)
	}
	return i
}

// skipDigits skips at least one digit; -1 when there is none.
func skipDigits(b []byte, i int) int {
	start := i
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// skipString returns the index after the string that begins with the quote at
// b[i], and whether it has escapes; -1 when it is malformed. Plain characters
// are looked at eight at a time.
func skipString(b []byte, i int) (end int, escaped bool) {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	for i++; i < len(b); {
		if len(b)-i >= 8 {
			w := binary.LittleEndian.Uint64(b[i:])
			quote := w ^ '"'*ones
			slash := w ^ '\\'*ones
			// The lowest marked byte is exact; borrows only spoil the ones above it.
			stop := ((w-0x20*ones)&^w | (quote-ones)&^quote | (slash-ones)&^slash) & highs
			if stop == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(stop) / 8
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, escaped
		case c == '\\':
			escaped = true
			n := escapeLen(b[i:])
			if n == 0 {
				return -1, true
			}
			i += n
		case c < ' ':
			return -1, escaped
		default:
			i++
		}
	}
	return -1, escaped
}

// escapeLen returns the length of the escape at the front of b, 0 when it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) >= 6 && hexDigit(b[2]) >= 0 && hexDigit(b[3]) >= 0 && hexDigit(b[4]) >= 0 && hexDigit(b[5]) >= 0 {
			return 6
		}
	}
	return 0
}

// appendUnescaped appends the inside of a checked string, its escapes decoded.
// A surrogate without its other half becomes U+FFFD.
func appendUnescaped(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			dst = append(dst, s[i])
			i++
			continue
		}
		switch c := s[i+1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hex4(s[i+2:])
			i += 6
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if i+6 <= len(s) && s[i] == '\\' && s[i+1] == 'u' {
					pair = utf16.DecodeRune(r, hex4(s[i+2:]))
				}
				if r = pair; r != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
			continue
		default:
			dst = append(dst, c)
		}
		i += 2
	}
	return dst
}

func hex4(b []byte) (r rune) {
	for _, c := range b[:4] {
		r = r<<4 | rune(hexDigit(c))
	}
	return r
}

// appendJSONString appends s as a JSON string (RFC 8259 section 7). Only what
// has to be escaped is; what is not UTF-8 becomes U+FFFD.
func appendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		i++
	}
	return append(dst, '"')
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func skipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}
