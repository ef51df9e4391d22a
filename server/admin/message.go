package admin

import (
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// push is the body of a push call.
type push struct {
	// message is the text to send. Not nil.
	message []byte
	// users are the addressed users, each once, in the order of the body. Nil when the body has no userIds.
	users []string
}

var errNoMessage = errors.New(`"message" is missing or null`)

// parsePush reads the body of a push call; withUsers says that it needs userIds. Members of other names are ignored.
//
// A message that is a string stands for its text. Any other is sent as JSON text without white space between the
// tokens: members in their order, numbers as they were written, strings with the fewest escapes. The reference does
// the same, but rewrites numbers and drops null members.
//
// The result may outlive body.
func parsePush(body []byte, withUsers bool) (push, error) {
	var p push
	err := readObject(body, func(name string, value jsontext.Value) (err error) {
		switch {
		case name == "message":
			if p.message, err = messageText(p.message[:0], value); err != nil {
				return syntaxError(err)
			}
		case name == "userIds" && withUsers:
			p.users, err = userList(value)
		}
		return err
	})
	switch {
	case err != nil:
		return push{}, err
	case p.message == nil:
		return push{}, errNoMessage
	case withUsers && p.users == nil:
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
