package plan

import "strings"

// Field is a value that a template can name, as in {{.ID}}.
type Field uint8

// The fields.
const (
	FieldID      Field = iota + 1 // {{.ID}}: number of the connection, from the scenario's first-id
	FieldUser                     // {{.User}}: user of the connection
	FieldToken                    // {{.Token}}: its token, from the token file or made with the JWT secret
	FieldSeq                      // {{.Seq}}: number of the operation
	FieldMark                     // {{.Mark}}: what the harness knows a message by
	FieldPad                      // {{.Pad n}}: n bytes of printable ASCII
	FieldMessage                  // {{.Message}}: the message as a JSON string, quotes included
	FieldRaw                      // {{.Raw}}: the message as it is
)

var fieldNames = [...]string{
	FieldID: "ID", FieldUser: "User", FieldToken: "Token", FieldSeq: "Seq",
	FieldMark: "Mark", FieldPad: "Pad", FieldMessage: "Message", FieldRaw: "Raw",
}

// String is the field as a template names it: "{{.ID}}".
func (f Field) String() string {
	switch {
	case f == FieldPad:
		return "{{.Pad n}}"
	case f == 0 || int(f) >= len(fieldNames):
		return "{{.?}}"
	}
	return "{{." + fieldNames[f] + "}}"
}

// fieldNamed is the field with a name, or 0.
func fieldNamed(name string) Field {
	for f := FieldID; int(f) < len(fieldNames); f++ {
		if fieldNames[f] == name {
			return f
		}
	}
	return 0
}

// fieldSet is a set of fields, one bit each.
type fieldSet uint16

func fieldsOf(fields []Field) fieldSet {
	var s fieldSet
	for _, f := range fields {
		s |= 1 << f
	}
	return s
}

func (s fieldSet) has(f Field) bool { return s&(1<<f) != 0 }

// String lists the fields as an error tells them.
func (s fieldSet) String() string {
	var names []string
	for f := FieldID; int(f) < len(fieldNames); f++ {
		if s.has(f) {
			names = append(names, f.String())
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ", ")
}
