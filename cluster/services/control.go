package services

import (
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// controlProgram runs inside of the broker and evaluates the expressions that
// control sends. The HTTP API of the management plugin would do for most of it, but
// its numbers are seconds old, it cannot raise an alarm, and it makes a broker start
// a second later and stop five seconds later.
//
//go:embed control.eval
var controlProgram string

// controlVariable tells controlProgram the path of its socket.
const controlVariable = "CARILLON_CONTROL"

// maxControlPath is the length of a path of a Unix socket on Linux, which has more
// than others.
const maxControlPath = 107

// maxControlAnswer bounds what is read as one answer.
const maxControlAnswer = 64 << 20

// control evaluates an Erlang expression in the broker. When answer is not nil, the
// value is decoded into it, as JSON.
func control(ctx context.Context, path, expression string, answer any) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	request := binary.BigEndian.AppendUint32(nil, uint32(len(expression)))
	if _, err := c.Write(append(request, expression...)); err != nil {
		return err
	}
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxControlAnswer {
		return fmt.Errorf("answer of %d bytes", n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(c, text); err != nil {
		return err
	}
	if text[0] != '+' {
		return errors.New(string(text[1:]))
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text[1:], answer)
}

// erlangBinary writes a text as an Erlang binary, byte by byte, so that no text can
// be anything else.
func erlangBinary(s string) string {
	var b strings.Builder
	b.WriteString("<<")
	for i := range len(s) {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, s[i])
	}
	b.WriteString(">>")
	return b.String()
}
