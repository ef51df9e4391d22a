package server

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/gobwas/ws"

	"carillon/codec"
	"carillon/server/config"
)

// The tests of this file run over real sockets against echo mode. Their tables
// follow the groups of the Autobahn test suite, whose case numbers are named.

func startEcho(t testing.TB, edit ...func(*config.Config)) *running {
	t.Helper()
	return start(t, func(cfg *config.Config) {
		cfg.WebSocket.Echo = true
		cfg.WebSocket.MaxMessageBytes = 16 << 20
		cfg.WebSocket.MaxOutboundBytes = 16 << 20
		for _, f := range edit {
			f(cfg)
		}
	})
}

func dialEcho(t testing.TB, r *running, lines ...string) *rawConn {
	t.Helper()
	c := dialRaw(t, r)
	c.send(request("/ws", lines...))
	if res, body := c.response(); res.StatusCode != 101 {
		t.Fatalf("handshake: %s %s", res.Status, body)
	}
	return c
}

// chop writes b in pieces of n bytes.
func (c *rawConn) chop(b []byte, n int) {
	c.t.Helper()
	for piece := range slices.Chunk(b, n) {
		if _, err := c.Write(piece); err != nil {
			c.t.Fatalf("write: %v", err)
		}
	}
}

// pour is chop beside the test, which reads meanwhile. The server may close
// before it has read all: what arrived is judged by what it answers.
func (c *rawConn) pour(b []byte, n int) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for piece := range slices.Chunk(b, n) {
			if _, err := c.Write(piece); err != nil {
				return
			}
		}
	}()
	c.t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
}

// expectFault reads the close frame of exactly this fault: another one with the
// same code would only show that the server lost its place in the stream.
func (c *rawConn) expectFault(want *codec.CloseError) {
	c.t.Helper()
	c.expectClose(int(want.Code), want.Reason)
}

// whole, as the size of pieces, is one write.
const whole = 1 << 30

const (
	headText   = finBit | byte(ws.OpText)
	headBinary = finBit | byte(ws.OpBinary)
	headPing   = finBit | byte(ws.OpPing)
	headPong   = finBit | byte(ws.OpPong)
	headClose  = finBit | byte(ws.OpClose)
)

// sample returns n bytes of text.
func sample(n int) []byte { return bytes.Repeat([]byte("*-x"), n/3+1)[:n] }

// payloadOf returns n bytes that may be sent with head: text, or anything but.
func payloadOf(head byte, n int) []byte {
	if head&0x0f == byte(ws.OpText) {
		return sample(n)
	}
	return bytes.Repeat([]byte{0xfe, 0x00, 0xff}, n/3+1)[:n]
}

// TestFraming is 1.1.1 to 1.2.8, text and binary of every length whose header
// has another form, in one write, in pieces of 997 bytes and in single bytes;
// 9.1.1 to 9.2.6, 64 KiB to 16 MiB whole; 9.5.1 to 9.6.6, 1 MiB in pieces.
func TestFraming(t *testing.T) {
	r := startEcho(t)
	type row struct {
		size   int
		pieces []int
	}
	var rows []row
	for _, n := range []int{0, 125, 126, 127, 128, 65535, 65536} { // 1.1, 1.2
		rows = append(rows, row{n, []int{whole, 997, 1}})
	}
	for _, n := range []int{256 << 10, 1 << 20, 4 << 20, 8 << 20, 16 << 20} { // 9.1, 9.2
		rows = append(rows, row{n, []int{whole}})
	}
	rows = append(rows, row{1 << 20, []int{64, 128, 256, 512, 1024, 2048}}) // 9.5, 9.6
	for _, row := range rows {
		for _, head := range []byte{headText, headBinary} {
			for _, piece := range row.pieces {
				t.Run(fmt.Sprintf("%#x/%d/%d", head, row.size, piece), func(t *testing.T) {
					t.Parallel()
					c := dialEcho(t, r)
					payload := payloadOf(head, row.size)
					c.pour(appendMasked(nil, head, payload), piece)
					c.expectFrame(head, payload)
				})
			}
		}
	}
}

// TestRoundTrips is 9.7.1 to 9.8.6: message by message, each way.
func TestRoundTrips(t *testing.T) {
	r := startEcho(t)
	for _, n := range []int{0, 16, 64, 256, 1024, 4096} {
		for _, head := range []byte{headText, headBinary} {
			t.Run(fmt.Sprintf("%#x/%d", head, n), func(t *testing.T) {
				t.Parallel()
				c := dialEcho(t, r)
				payload := payloadOf(head, n)
				frame := appendMasked(nil, head, payload)
				for range 1000 {
					c.send(string(frame))
					c.expectFrame(head, payload)
				}
			})
		}
	}
}

// TestPings is group 2.
func TestPings(t *testing.T) {
	r := startEcho(t)
	c := dialEcho(t, r)
	for _, p := range [][]byte{nil, []byte("Hello"), {0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff}, sample(125)} { // 2.1 to 2.4
		c.writeFrame(true, 0, ws.OpPing, p)
		c.expectFrame(headPong, p)
	}
	c.chop(appendMasked(nil, headPing, sample(125)), 1) // 2.6
	c.expectFrame(headPong, sample(125))
	c.writeFrame(true, 0, ws.OpPong, nil)               // 2.7
	c.writeFrame(true, 0, ws.OpPong, []byte("unasked")) // 2.8
	c.writeFrame(true, 0, ws.OpPing, []byte("asked"))   // 2.9
	c.expectFrame(headPong, []byte("asked"))
	var ten []byte // 2.10, 2.11
	for i := range 10 {
		ten = appendMasked(ten, headPing, fmt.Appendf(nil, "payload-%d", i))
	}
	for _, chop := range []int{len(ten), 1} {
		c.chop(ten, chop)
		for i := range 10 {
			c.expectFrame(headPong, fmt.Appendf(nil, "payload-%d", i))
		}
	}
	c.writeFrame(true, 0, ws.OpPing, sample(126)) // 2.5
	c.expectFault(codec.ErrControlTooLong)
}

// TestReservedBitsAndOpcodes is 3.1 to 4.2.5: what was sent before the fault is
// echoed, nothing after it, whether the frame has a payload or not. Where
// permessage-deflate was agreed to, RSV1 is a fault but on the first frame of a
// data message (RFC 7692 §6).
func TestReservedBitsAndOpcodes(t *testing.T) {
	r := startEcho(t, func(cfg *config.Config) { cfg.WebSocket.Compression = true })
	type fault struct {
		name string
		head byte
		want *codec.CloseError
	}
	var plain, deflated []fault
	for rsv := byte(1); rsv < 8; rsv++ { // 3
		for _, op := range []ws.OpCode{ws.OpContinuation, ws.OpText, ws.OpBinary, ws.OpClose, ws.OpPing, ws.OpPong} {
			f := fault{fmt.Sprintf("rsv %d op %d", rsv, op), finBit | rsv<<4 | byte(op), codec.ErrReservedBits}
			plain = append(plain, f)
			if rsv != 4 || op != ws.OpText && op != ws.OpBinary {
				deflated = append(deflated, f)
			}
		}
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} { // 4
		f := fault{fmt.Sprintf("opcode %d", op), finBit | op, codec.ErrReservedOpcode}
		plain, deflated = append(plain, f), append(deflated, f)
	}
	check := func(name string, f fault, lines ...string) {
		for _, payload := range []string{"", "Hello, world!"} {
			for _, piece := range []int{whole, 1} {
				t.Run(fmt.Sprintf("%s/%s/%d/%d", name, f.name, len(payload), piece), func(t *testing.T) {
					t.Parallel()
					c := dialEcho(t, r, lines...)
					b := appendMasked(nil, headText, []byte("before"))
					if f.head&0x0f == byte(ws.OpContinuation) { // else it is a fault without RSV
						b = appendMasked(b, byte(ws.OpText), []byte("first"))
					}
					b = appendMasked(b, f.head, []byte(payload))
					b = appendMasked(b, headPing, nil)
					c.pour(b, piece)
					c.expectFrame(headText, []byte("before"))
					c.expectFault(f.want)
				})
			}
		}
	}
	for _, f := range plain {
		check("plain", f)
	}
	for _, f := range deflated {
		check("deflate", f, "Sec-WebSocket-Extensions: permessage-deflate")
	}
}

// TestEchoesWait: clients that send all they have before they read get every
// echo in its order. It is what 9 is about for a server that never blocks: the
// kernel takes no more, and what waits for one connection is kept apart from
// what the loop does for the next.
func TestEchoesWait(t *testing.T) {
	r := startEcho(t, func(cfg *config.Config) { cfg.Server.EventLoops = 1 })
	const conns, messages = 4, 1500
	message := func(i, n int) []byte { return fmt.Appendf(nil, "%d %d %s", i, n, sample(n+1000)) }
	var waiting [conns]*rawConn
	for i := range waiting {
		waiting[i] = dialEcho(t, r)
		// Not less: with a window below the segments of loopback (64 KiB) the
		// kernel itself sends 30 KB a second, and near it at times, too.
		if err := waiting[i].Conn.(*net.TCPConn).SetReadBuffer(256 << 10); err != nil {
			t.Fatal(err)
		}
	}
	for n := range messages {
		for i, c := range waiting {
			c.writeFrame(true, 0, ws.OpText, message(i, n))
		}
	}
	waitFor(t, "the kernel to take no more", func() bool { return r.reactor.Stats()[0].OutBytes > 1<<20 })
	for i, c := range waiting {
		for n := range messages {
			c.expectFrame(headText, message(i, n))
		}
	}
}
