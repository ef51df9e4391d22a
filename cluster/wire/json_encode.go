package wire

import (
	"unicode/utf16"
	"unicode/utf8"

	"carillon/cluster"
)

// AppendJSONSender appends the beginning of the reference's message.
func AppendJSONSender(dst []byte, from string) []byte {
	return appendString(append(dst, `{"fromNode":`...), from)
}

// AppendJSONRest appends the rest of the reference's message. op is a PushAll or a
// PushUsers with users: a list without any would mean everyone.
func AppendJSONRest(dst []byte, op *cluster.Operation) []byte {
	dst = appendString(append(dst, `,"payload":`...), op.Payload)
	switch {
	case op.Kind == cluster.PushAll:
		return append(dst, `,"targetUsers":null}`...)
	case op.Kind != cluster.PushUsers || len(op.Users) == 0:
		panic("BUG: only pushes to everyone or to some users have a JSON form")
	}
	dst = append(dst, `,"targetUsers":[`...)
	for i, user := range op.Users {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, user)
	}
	return append(dst, ']', '}')
}

const upperHex = "0123456789ABCDEF"

// appendString appends text as a JSON string, with the escapes that the reference
// writes: those that JSON asks for, and characters beyond the BMP as surrogates.
// What is not UTF-8 becomes U+FFFD, for a node of the reference closes its clients
// over such a payload.
func appendString(dst []byte, text string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = appendEscaped(append(dst, text[start:i]...), c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			dst = appendUnit(appendUnit(append(dst, text[start:i]...), high), low)
			start = i + size
		case r == utf8.RuneError && size == 1:
			dst = utf8.AppendRune(append(dst, text[start:i]...), utf8.RuneError)
			start = i + size
		}
		i += size
	}
	return append(append(dst, text[start:]...), '"')
}

func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\t':
		return append(dst, '\\', 't')
	case '\n':
		return append(dst, '\\', 'n')
	case '\f':
		return append(dst, '\\', 'f')
	case '\r':
		return append(dst, '\\', 'r')
	}
	return appendUnit(dst, rune(c))
}

// appendUnit appends one UTF-16 unit as an escape.
func appendUnit(dst []byte, u rune) []byte {
	return append(dst, '\\', 'u', upperHex[u>>12&15], upperHex[u>>8&15], upperHex[u>>4&15], upperHex[u&15])
}
