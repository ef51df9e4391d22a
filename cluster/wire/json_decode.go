package wire

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"carillon/cluster"
)

var (
	errEmpty     = errors.New("message is empty")
	errNoObject  = errors.New("message is not a JSON object")
	errNoPayload = errors.New("payload is null or missing")
)

// decodeJSON reads the reference's message as a node of the reference does: members
// of other names are ignored, the last of several with one name counts, what
// follows the object is not looked at, and targetUsers missing, null or empty mean
// everyone. A payload that is null or missing is an error here.
//
// Text that is not valid Unicode becomes U+FFFD where it is not.
func decodeJSON(body []byte) (m Message, err error) {
	if len(body) == 0 {
		return Message{}, errEmpty
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(body),
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if t, err := dec.ReadToken(); err != nil {
		return Message{}, errSyntax(dec)
	} else if t.Kind() != '{' {
		return Message{}, errNoObject
	}
	var payload bool
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return Message{}, errSyntax(dec)
		}
		switch name.String() {
		case "fromNode":
			m.From, _, err = readText(dec, "fromNode")
		case "payload":
			m.Op.Payload, payload, err = readText(dec, "payload")
		case "targetUsers":
			m.Op.Users, err = readUsers(dec)
		default:
			if dec.SkipValue() != nil {
				err = errSyntax(dec)
			}
		}
		if err != nil {
			return Message{}, err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return Message{}, errSyntax(dec)
	}
	if !payload {
		return Message{}, errNoPayload
	}
	m.Op.Kind = cluster.PushAll
	if m.Op.Users != nil {
		m.Op.Kind = cluster.PushUsers
	}
	return m, nil
}

// readText reads a string; ok is false for null.
func readText(dec *jsontext.Decoder, name string) (text string, ok bool, err error) {
	t, err := dec.ReadToken()
	if err != nil {
		return "", false, errSyntax(dec)
	}
	switch t.Kind() {
	case '"':
		return t.String(), true, nil
	case 'n':
		return "", false, nil
	}
	return "", false, fmt.Errorf("%s is not a string", name)
}

// readUsers reads a list of users; nil stands for everyone. A null in the list
// stands for nobody, a list of nothing else for nobody at all.
func readUsers(dec *jsontext.Decoder) (users []string, err error) {
	t, err := dec.ReadToken()
	switch {
	case err != nil:
		return nil, errSyntax(dec)
	case t.Kind() == 'n':
		return nil, nil
	case t.Kind() != '[':
		return nil, errors.New("targetUsers is not a list")
	}
	for k := dec.PeekKind(); k != ']' && k != 0; k = dec.PeekKind() {
		user, ok, err := readText(dec, "a member of targetUsers")
		if err != nil {
			return nil, err
		}
		if users == nil {
			users = []string{}
		}
		if ok {
			users = append(users, user)
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, errSyntax(dec)
	}
	return users, nil
}

// errSyntax says where the JSON ends to be JSON. The decoder's own error shows
// what stands there, which may be a payload.
func errSyntax(dec *jsontext.Decoder) error {
	return fmt.Errorf("bad JSON after byte %d", dec.InputOffset())
}
