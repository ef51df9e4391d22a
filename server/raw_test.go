package server

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// rawConn is a client that sends bytes as told and checks every byte it gets.
type rawConn struct {
	t testing.TB
	net.Conn
	br *bufio.Reader
}

func dialRaw(t testing.TB, r *running) *rawConn {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(r.Addr(), "/") {
		network = "unix"
	}
	nc, err := net.Dial(network, r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(testPatience))
	return &rawConn{t, nc, bufio.NewReader(nc)}
}

// inPieces sends all on a connection each, cut in two at every byte, and in
// single bytes, and has check read what comes back.
func inPieces(t testing.TB, r *running, all string, check func(c *rawConn)) {
	t.Helper()
	for cut := 0; cut <= len(all); cut++ {
		c := dialRaw(t, r)
		c.send(all[:cut])
		c.send(all[cut:])
		check(c)
	}
	c := dialRaw(t, r)
	for i := range len(all) {
		c.send(all[i : i+1])
	}
	check(c)
}

// request is a good handshake for target with further header lines, each ended
// by \r\n; a line that begins with "-Name" leaves the usual header Name out.
func request(target string, lines ...string) string {
	headers := []string{"Host: gateway.example", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	for _, l := range lines {
		if name, drop := strings.CutPrefix(l, "-"); drop {
			for i, h := range headers {
				if strings.HasPrefix(h, name+":") {
					headers = append(headers[:i], headers[i+1:]...)
					break
				}
			}
			continue
		}
		headers = append(headers, l)
	}
	return "GET " + target + " HTTP/1.1\r\n" + strings.Join(headers, "\r\n") + "\r\n\r\n"
}

func (c *rawConn) send(b string) {
	c.t.Helper()
	if _, err := io.WriteString(c, b); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// response reads an HTTP response with its body.
func (c *rawConn) response() (*http.Response, string) {
	c.t.Helper()
	res, err := http.ReadResponse(c.br, nil)
	if err != nil {
		c.t.Fatalf("response: %v", err)
	}
	var body []byte
	if res.StatusCode != 101 {
		if body, err = io.ReadAll(res.Body); err != nil {
			c.t.Fatalf("response body: %v", err)
		}
	}
	return res, string(body)
}

// upgrade opens a session of user.
func (c *rawConn) upgrade(user string, lines ...string) *http.Response {
	c.t.Helper()
	c.send(request("/ws?token=u-"+user, lines...))
	res, body := c.response()
	if res.StatusCode != 101 {
		c.t.Fatalf("handshake: %s %s", res.Status, body)
	}
	return res
}

// appendMasked appends a client's frame. header is FIN, RSV and opcode.
func appendMasked(dst []byte, header byte, payload []byte) []byte {
	dst = append(dst, header)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = append(dst, 0x80|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, 0x80|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	dst = append(dst, mask[:]...)
	at := len(dst)
	dst = append(dst, payload...)
	ws.Cipher(dst[at:], mask, 0)
	return dst
}

const finBit = 0x80

// writeFrame sends one frame in one write.
func (c *rawConn) writeFrame(fin bool, rsv byte, op ws.OpCode, payload []byte) {
	c.t.Helper()
	header := rsv<<4 | byte(op)
	if fin {
		header |= finBit
	}
	if _, err := c.Write(appendMasked(nil, header, payload)); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

func (c *rawConn) text(s string) {
	c.t.Helper()
	c.writeFrame(true, 0, ws.OpText, []byte(s))
}

// readFrame reads one frame of the server.
func (c *rawConn) readFrame() (header byte, payload []byte, err error) {
	var b [8]byte
	if _, err := io.ReadFull(c.br, b[:2]); err != nil {
		return 0, nil, err
	}
	if b[1]&0x80 != 0 {
		return 0, nil, errors.New("the server masked a frame")
	}
	header, n := b[0], uint64(b[1])
	switch n {
	case 126:
		_, err = io.ReadFull(c.br, b[:2])
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		_, err = io.ReadFull(c.br, b[:8])
		n = binary.BigEndian.Uint64(b[:])
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(c.br, payload)
	return header, payload, err
}

// expectFrame reads one frame and compares it byte for byte.
func (c *rawConn) expectFrame(header byte, payload []byte) {
	c.t.Helper()
	h, p, err := c.readFrame()
	if err != nil {
		c.t.Fatalf("read: %v, want frame %#x of %d bytes", err, header, len(payload))
	}
	if h != header || !bytes.Equal(p, payload) {
		c.t.Fatalf("got frame %#x %.60q (%d bytes), want %#x %.60q (%d bytes)", h, p, len(p), header, payload, len(payload))
	}
}

func (c *rawConn) expectText(s string) {
	c.t.Helper()
	c.expectFrame(finBit|byte(ws.OpText), []byte(s))
}

const (
	heartbeatRequest = `{"type":"HEARTBEAT"}`
	heartbeatAck     = `{"type":"HEARTBEAT_ACK"}`
)

// heartbeat proves that the session lives, and that nothing else was sent to it.
func (c *rawConn) heartbeat() {
	c.t.Helper()
	c.text(heartbeatRequest)
	c.expectText(heartbeatAck)
}

// expectClose reads a close frame with a code, then the end of TCP. A reason of
// "*" takes any.
func (c *rawConn) expectClose(code int, reason string) {
	c.t.Helper()
	h, p, err := c.readFrame()
	if err != nil || h != finBit|byte(ws.OpClose) || len(p) < 2 {
		c.t.Fatalf("got frame %#x %.80q, %v; want close %d", h, p, err, code)
	}
	if got := int(binary.BigEndian.Uint16(p)); got != code || reason != "*" && string(p[2:]) != reason {
		c.t.Fatalf("got close %d %q, want %d %q", got, p[2:], code, reason)
	}
	c.expectEOF()
}

// expectEOF reads the end of TCP and nothing before it. A reset counts: the
// server may close with bytes of ours unread.
func (c *rawConn) expectEOF() {
	c.t.Helper()
	b, err := c.br.ReadByte()
	if err == nil {
		c.t.Fatalf("got byte %#x, want the end of TCP", b)
	}
	if err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
		c.t.Fatalf("got %v, want the end of TCP", err)
	}
}

func closePayload(code int, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}
