package netpoll

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"carillon/codec"
)

// rawClient is a WebSocket client that shows every frame as it came.
type rawClient struct {
	t  testing.TB
	nc net.Conn
	br *bufio.Reader
}

const upgradeRequest = "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

var deflateRequest = strings.TrimSuffix(upgradeRequest, "\r\n") + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"

// connect opens a connection and sends nothing. rcvbuf, when not 0, is SO_RCVBUF.
func connect(t testing.TB, port, rcvbuf int) *rawClient {
	t.Helper()
	c, err := tryConnect(t, fmt.Sprintf("127.0.0.1:%d", port), rcvbuf)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tryConnect(t testing.TB, addr string, rcvbuf int) (*rawClient, error) {
	d := net.Dialer{Timeout: testPatience}
	if rcvbuf > 0 {
		d.Control = func(_, _ string, rc syscall.RawConn) (err error) {
			e := rc.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, rcvbuf) })
			return errors.Join(e, err)
		}
	}
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	nc, err := d.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(2 * testPatience))
	return &rawClient{t, nc, bufio.NewReader(nc)}, nil
}

// upgraded connects and upgrades.
func upgraded(t testing.TB, port int) *rawClient {
	t.Helper()
	c := connect(t, port, 0)
	c.upgrade(upgradeRequest)
	return c
}

func (c *rawClient) upgrade(request string) {
	c.t.Helper()
	c.write(request)
	if got := c.status(); got != 101 {
		c.t.Fatalf("handshake answered with %d", got)
	}
}

func (c *rawClient) write(s string) {
	c.t.Helper()
	if _, err := c.nc.Write([]byte(s)); err != nil {
		c.t.Fatal(err)
	}
}

// status reads a response's head and returns its status, 0 for the end.
func (c *rawClient) status() (code int) {
	c.t.Helper()
	for first := true; ; first = false {
		line, err := c.br.ReadString('\n')
		if err != nil {
			return 0
		}
		if first {
			if _, err := fmt.Sscanf(line, "HTTP/1.1 %d ", &code); err != nil {
				c.t.Fatalf("response begins with %q", line)
			}
		}
		if line == "\r\n" {
			return code
		}
	}
}

// clientFrame is a masked frame.
func clientFrame(op ws.OpCode, fin bool, payload string) string {
	h := ws.Header{Fin: fin, OpCode: op, Masked: true, Mask: [4]byte{1, 2, 3, 4}, Length: int64(len(payload))}
	var b strings.Builder
	if err := ws.WriteHeader(&b, h); err != nil {
		panic(err)
	}
	p := []byte(payload)
	ws.Cipher(p, h.Mask, 0)
	b.Write(p)
	return b.String()
}

func text(payload string) string { return clientFrame(ws.OpText, true, payload) }

func closeFrame(code codec.CloseCode, reason string) string {
	return clientFrame(ws.OpClose, true, string(binary.BigEndian.AppendUint16(nil, uint16(code)))+reason)
}

// next reads one frame.
func (c *rawClient) next() (ws.OpCode, []byte, error) {
	h, err := ws.ReadHeader(c.br)
	if err != nil {
		return 0, nil, err
	}
	p := make([]byte, h.Length)
	_, err = io.ReadFull(c.br, p)
	return h.OpCode, p, err
}

// expect reads one text frame.
func (c *rawClient) expect(want string) {
	c.t.Helper()
	op, p, err := c.next()
	if err != nil || op != ws.OpText || string(p) != want {
		c.t.Fatalf("got opcode %d, %.60q (%d bytes), %v; want text %.60q (%d bytes)", op, p, len(p), err, want, len(want))
	}
}

// expectClose reads up to a close frame and checks that nothing but the end
// comes after it.
func (c *rawClient) expectClose(code codec.CloseCode, reason string) {
	c.t.Helper()
	for {
		op, p, err := c.next()
		if err != nil {
			c.t.Fatalf("got %v, want close %d", err, code)
		}
		if op != ws.OpClose {
			continue
		}
		got := codec.CloseNoStatus
		if len(p) >= 2 {
			got, p = codec.CloseCode(binary.BigEndian.Uint16(p)), p[2:]
		}
		if got != code || string(p) != reason {
			c.t.Fatalf("got close %d %q, want %d %q", got, p, code, reason)
		}
		break
	}
	c.expectEnd()
}

// expectEnd checks that the server's side of TCP is shut.
func (c *rawClient) expectEnd() {
	c.t.Helper()
	if b, err := io.ReadAll(c.br); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("got %x, %v, want the end of the connection", b, err)
	}
}
