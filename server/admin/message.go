package admin

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// push is the body of a push call.
type push struct {
	// message is the text to send. Not nil.
	message []byte
	// users are the addressed users, each once, in the order of the body. Nil when the body has no userIds.
	users []string
}

// A body is refused for one of these reasons, or for bad JSON.
var (
	errNoObject  = errors.New("the body must be a JSON object")
	errTrailing  = errors.New("there is text after the JSON object")
	errNoMessage = errors.New(`"message" is missing or null`)
	errNoUsers   = errors.New(`"userIds" is missing or null`)
	errUsers     = errors.New(`"userIds" must be a list of strings or numbers`)
)

// byteOrderMark may stand in front of JSON in UTF-8 (RFC 8259 section 8.1 lets a reader skip it; so does the
// reference, and some back ends send it).
var byteOrderMark = []byte("\ufeff")

// readOptions let a member come twice, of which the last one counts, as in the reference. jsontext refuses what is
// not valid Unicode, lone surrogates included: it could not be sent as a text frame.
var readOptions = []jsontext.Options{jsontext.AllowDuplicateNames(true)}

// parsePush reads the body of a push call; withUsers says that it needs userIds. Members of other names are ignored.
//
// A message that is a string stands for its text. Any other is sent as JSON text without white space between the
// tokens: members in their order, numbers as they were written, strings with the fewest escapes. The reference does
// the same, but rewrites numbers and drops null members.
//
// The result may outlive body.
func parsePush(body []byte, withUsers bool) (push, error) {
	var p push
	noUsers := true
	d := jsontext.NewDecoder(bytes.NewBuffer(bytes.TrimPrefix(body, byteOrderMark)), readOptions...)
	if d.PeekKind() != '{' {
		// Bad JSON is told apart from JSON that is no object.
		if _, err := d.ReadValue(); err != nil {
			return push{}, syntaxError(err)
		}
		return push{}, errNoObject
	}
	if _, err := d.ReadToken(); err != nil {
		return push{}, syntaxError(err)
	}
	for d.PeekKind() != '}' {
		token, err := d.ReadToken()
		if err != nil {
			return push{}, syntaxError(err)
		}
		name := token.String()
		value, err := d.ReadValue()
		if err != nil {
			return push{}, syntaxError(err)
		}
		switch {
		case name == "message":
			if p.message, err = messageText(p.message[:0], value); err != nil {
				return push{}, syntaxError(err)
			}
		case name == "userIds" && withUsers:
			if noUsers = value.Kind() == 'n'; noUsers {
				continue
			}
			if p.users, err = userList(value); err != nil {
				return push{}, err
			}
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return push{}, syntaxError(err)
	}
	switch _, err := d.ReadToken(); {
	case err == nil:
		return push{}, errTrailing
	case err != io.EOF:
		return push{}, syntaxError(err)
	case p.message == nil:
		return push{}, errNoMessage
	case withUsers && noUsers:
		return push{}, errNoUsers
	}
	return p, nil
}

// messageText appends the text that a message stands for to dst; nil for null.
func messageText(dst []byte, value jsontext.Value) ([]byte, error) {
	switch value.Kind() {
	case 'n':
		return nil, nil
	case '"':
		if dst == nil {
			dst = make([]byte, 0, len(value))
		}
		return jsontext.AppendUnquote(dst, value)
	default:
		return jsontext.AppendFormat(dst, value, readOptions...)
	}
}

// userList reads userIds. Numbers stand for their digits, as they were written.
func userList(value jsontext.Value) ([]string, error) {
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
