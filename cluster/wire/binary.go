package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"carillon/cluster"
)

// The binary form: the magic byte, the version, the sender, the kind, and then of
// each kind the fields that it has:
//
//	PushAll      payload
//	PushUsers    payload, users
//	PushSessions payload, sessions
//	KickUsers    code, reason, users
//	KickSessions code, reason, sessions
//	KickAll      code, reason, spread in ns
//
// Strings are their length and their bytes, lists their length and their strings;
// numbers are unsigned varints as in encoding/binary.
const (
	magic   = 0xC1 // in no UTF-8 text, and at the beginning of no JSON text in UTF-16 or UTF-32
	version = 1
)

// maxReason is what a close frame has room for (RFC 6455, section 5.5.1).
const maxReason = 123

var (
	errCut   = errors.New("binary message is cut short")
	errUTF8  = errors.New("binary message has text that is not UTF-8")
	errRange = errors.New("binary message has a number out of its range")
	errTail  = errors.New("binary message goes on after its end")
)

// AppendBinarySender appends the beginning of the binary form.
func AppendBinarySender(dst []byte, from string) []byte {
	return appendText(append(dst, magic, version), from)
}

// AppendBinaryRest appends the rest of the binary form, but for the bytes of the payload:
// they belong before rest[at]. Forms of one payload for several nodes can share it so.
func AppendBinaryRest(dst []byte, op *cluster.Operation) (rest []byte, at int, payload string) {
	dst = append(dst, byte(op.Kind))
	switch op.Kind {
	case cluster.PushAll, cluster.PushUsers, cluster.PushSessions:
		payload = valid(op.Payload)
		dst = binary.AppendUvarint(dst, uint64(len(payload)))
	case cluster.KickUsers, cluster.KickSessions, cluster.KickAll:
		dst = appendText(binary.AppendUvarint(dst, uint64(op.Code)), op.Reason)
	default:
		panic(fmt.Sprintf("BUG: operation of kind %d", op.Kind))
	}
	at = len(dst)
	switch op.Kind {
	case cluster.PushUsers, cluster.KickUsers:
		dst = appendList(dst, op.Users)
	case cluster.PushSessions, cluster.KickSessions:
		dst = appendList(dst, op.Sessions)
	case cluster.KickAll:
		dst = binary.AppendUvarint(dst, uint64(max(op.Spread, 0)))
	}
	return dst, at, payload
}

// valid replaces what is not UTF-8, which a decoder refuses.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, string(utf8.RuneError))
}

func appendText(dst []byte, s string) []byte {
	s = valid(s)
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendList(dst []byte, list []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, s := range list {
		dst = appendText(dst, s)
	}
	return dst
}

func decodeBinary(body []byte) (Message, error) {
	if len(body) < 2 {
		return Message{}, errCut
	}
	if body[1] != version {
		return Message{}, fmt.Errorf("binary message has version %d, not %d", body[1], version)
	}
	// All strings of the message are parts of this one.
	c := cursor{text: string(body[2:])}
	var m Message
	m.From = c.string()
	op := &m.Op
	op.Kind = cluster.Kind(c.byte())
	switch op.Kind {
	case cluster.PushAll:
		op.Payload = c.string()
	case cluster.PushUsers:
		op.Payload, op.Users = c.string(), c.list()
	case cluster.PushSessions:
		op.Payload, op.Sessions = c.string(), c.list()
	case cluster.KickUsers:
		op.Code, op.Reason = c.close()
		op.Users = c.list()
	case cluster.KickSessions:
		op.Code, op.Reason = c.close()
		op.Sessions = c.list()
	case cluster.KickAll:
		op.Code, op.Reason = c.close()
		op.Spread = time.Duration(c.number(math.MaxInt64))
	default:
		if c.err == nil {
			c.err = fmt.Errorf("binary message is of unknown kind %d", op.Kind)
		}
	}
	switch {
	case c.err != nil:
		return Message{}, c.err
	case c.text != "":
		return Message{}, errTail
	}
	return m, nil
}

// cursor reads fields from the front of text until there is an error; after it
// there are only zero values.
type cursor struct {
	text string
	err  error
}

func (c *cursor) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.text = ""
}

func (c *cursor) byte() byte {
	if c.text == "" {
		c.fail(errCut)
		return 0
	}
	b := c.text[0]
	c.text = c.text[1:]
	return b
}

// number reads a varint of at most max.
func (c *cursor) number(max uint64) (n uint64) {
	for shift := 0; shift < 64; shift += 7 {
		b := c.byte()
		if c.err != nil {
			return 0
		}
		if shift == 63 && b > 1 {
			break
		}
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if n > max {
				break
			}
			return n
		}
	}
	c.fail(errRange)
	return 0
}

func (c *cursor) string() string {
	n := c.number(math.MaxUint64)
	if n > uint64(len(c.text)) {
		c.fail(errCut)
		return ""
	}
	s := c.text[:n]
	c.text = c.text[n:]
	if !utf8.ValidString(s) {
		c.fail(errUTF8)
		return ""
	}
	return s
}

// listAhead is how many strings are made room for before they are there.
const listAhead = 4096

// list reads a list of strings. It believes no length that the rest has no room
// for, a byte a string.
func (c *cursor) list() []string {
	n := c.number(math.MaxUint64)
	if n > uint64(len(c.text)) {
		c.fail(errCut)
		return nil
	}
	list := make([]string, 0, min(n, listAhead))
	for range n {
		list = append(list, c.string())
		if c.err != nil {
			return nil
		}
	}
	return list
}

func (c *cursor) close() (code uint16, reason string) {
	code = uint16(c.number(math.MaxUint16))
	reason = c.string()
	if len(reason) > maxReason {
		c.fail(errRange)
	}
	return code, reason
}
