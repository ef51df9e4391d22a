package plan

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Values are what the fields of a template stand for.
type Values struct {
	ID      int
	Seq     uint64
	User    string
	Token   string
	Mark    []byte
	Message []byte // for {{.Message}} and {{.Raw}}
}

// Template is a compiled text with fields. It is not changed by its use, so
// that any number of goroutines may share it.
type Template struct {
	text     string
	segments []segment
	uses     fieldSet
	escape   bool // percent-encode the values: the text is a URL
}

// segment is a literal or, when field is not 0, a value.
type segment struct {
	literal string
	field   Field
}

// Append appends the text with the values filled in to dst, without
// allocating unless dst has to grow, and returns the extended slice. A message
// that is not UTF-8 has its bad bytes replaced in {{.Message}}.
func (t *Template) Append(dst []byte, v *Values) []byte {
	for i := range t.segments {
		s := &t.segments[i]
		switch s.field {
		case 0:
			dst = append(dst, s.literal...)
		case FieldID:
			dst = strconv.AppendInt(dst, int64(v.ID), 10)
		case FieldSeq:
			dst = strconv.AppendUint(dst, v.Seq, 10)
		case FieldUser:
			dst = t.appendText(dst, v.User)
		case FieldToken:
			dst = t.appendText(dst, v.Token)
		case FieldMark:
			dst = append(dst, v.Mark...)
		case FieldRaw:
			dst = append(dst, v.Message...)
		case FieldMessage:
			// The error says that bytes were replaced, which is the contract.
			dst, _ = jsontext.AppendQuote(dst, v.Message)
		}
	}
	return dst
}

func (t *Template) appendText(dst []byte, text string) []byte {
	if !t.escape {
		return append(dst, text...)
	}
	const hex = "0123456789ABCDEF"
	for i := range len(text) {
		if c := text[i]; unreserved(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

// unreserved tells whether c stands for itself everywhere in a URL (RFC 3986, section 2.3).
func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

// Constant tells whether the text is the same for all values.
func (t *Template) Constant() bool { return t.uses&^(1<<FieldPad) == 0 }

// Uses tells whether the text names the field.
func (t *Template) Uses(f Field) bool { return t.uses.has(f) }

// String is the text that was compiled.
func (t *Template) String() string { return t.text }

// prefix is what every text of the template begins with.
func (t *Template) prefix() string {
	if len(t.segments) == 0 || t.segments[0].field != 0 {
		return ""
	}
	return t.segments[0].literal
}
