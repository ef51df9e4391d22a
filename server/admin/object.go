package admin

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// A body is refused for one of these reasons, or for bad JSON.
var (
	errNoObject = errors.New("the body must be a JSON object")
	errTrailing = errors.New("there is text after the JSON object")
	errNoUsers  = errors.New(`"userIds" is missing or null`)
	errUsers    = errors.New(`"userIds" must be a list of strings or numbers`)
)

// byteOrderMark may stand in front of JSON in UTF-8 (RFC 8259 section 8.1 lets a reader skip it; so does the
// reference, and some back ends send it).
var byteOrderMark = []byte("\ufeff")

// readOptions let a member come twice, of which the last one counts, as in the reference. jsontext refuses what is
// not valid Unicode, lone surrogates included: it could not be sent as a text frame.
var readOptions = []jsontext.Options{jsontext.AllowDuplicateNames(true)}

// readObject gives member each member of the one JSON object that body must be, in their order. value is valid during
// the call only. An error of member ends the reading.
func readObject(body []byte, member func(name string, value jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(bytes.TrimPrefix(body, byteOrderMark)), readOptions...)
	if d.PeekKind() != '{' {
		// Bad JSON is told apart from JSON that is no object.
		if _, err := d.ReadValue(); err != nil {
			return syntaxError(err)
		}
		return errNoObject
	}
	if _, err := d.ReadToken(); err != nil {
		return syntaxError(err)
	}
	for d.PeekKind() != '}' {
		token, err := d.ReadToken()
		if err != nil {
			return syntaxError(err)
		}
		name := token.String()
		value, err := d.ReadValue()
		if err != nil {
			return syntaxError(err)
		}
		if err := member(name, value); err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return syntaxError(err)
	}
	switch _, err := d.ReadToken(); {
	case err == nil:
		return errTrailing
	case err != io.EOF:
		return syntaxError(err)
	}
	return nil
}

// userList reads userIds: each user once, in their order. Numbers stand for their digits, as they were written. The
// result is nil for null, and else may outlive value.
func userList(value jsontext.Value) ([]string, error) {
	if value.Kind() == 'n' {
		return nil, nil
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(value), readOptions...)
	if token, err := d.ReadToken(); err != nil || token.Kind() != '[' {
		return nil, errUsers
	}
	users := []string{}
	seen := map[string]struct{}{}
	for {
		token, err := d.ReadToken()
		if err != nil {
			return nil, errUsers
		}
		switch token.Kind() {
		case ']':
			return users, nil
		case '"', '0':
			user := token.String()
			if _, ok := seen[user]; !ok {
				seen[user] = struct{}{}
				users = append(users, user)
			}
		default:
			return nil, errUsers
		}
	}
}

// syntaxError says where the JSON is bad, without a word of the body.
func syntaxError(err error) error {
	var bad *jsontext.SyntacticError
	switch {
	case errors.As(err, &bad) && bad.ByteOffset > 0:
		return fmt.Errorf("the body is not valid JSON in UTF-8: fault at byte %d", bad.ByteOffset)
	default:
		return errors.New("the body is not valid JSON in UTF-8")
	}
}
