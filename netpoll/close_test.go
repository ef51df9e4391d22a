package netpoll

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"carillon/codec"
)

func TestClientCloses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		send   string
		code   codec.CloseCode
		reason string
		cause  Cause
	}{
		{"normal", closeFrame(1000, "bye"), 1000, "bye", CauseClient},
		{"own code", closeFrame(4999, ""), 4999, "", CauseClient},
		{"no code", clientFrame(ws.OpClose, true, ""), codec.CloseNoStatus, "", CauseClient},
		{"code not allowed", closeFrame(1005, ""), 1002, "close code not allowed", CauseProtocol},
		{"one byte", clientFrame(ws.OpClose, true, "x"), 1002, "close frame of one byte", CauseProtocol},
		{"reason not UTF-8", closeFrame(1000, "\xff"), 1007, "close reason is not utf-8", CauseProtocol},
		{"no mask", "\x81\x01x", 1002, "client frames must be masked", CauseProtocol},
		{"reserved opcode", clientFrame(3, true, ""), 1002, "reserved opcode", CauseProtocol},
		{"binary", clientFrame(ws.OpBinary, true, "x"), 1003, "binary messages not supported", CauseProtocol},
		{"too big", text(strings.Repeat("x", 64<<10+1)), 1009, "message too big", CauseProtocol},
		{"not UTF-8", text("\xc0\x80"), 1007, "text is not utf-8", CauseProtocol},
		{"a fault and what follows it", clientFrame(3, true, "") + text("x") + closeFrame(1000, ""), 1002, "reserved opcode", CauseProtocol},
		{"a message after the close frame", closeFrame(1000, "") + text("x"), 1000, "", CauseClient},
		{"a panic in the handler", text("panic"), 1011, "internal error", CauseHandler},
		{"a panic, and what follows it", text("panic") + text("panic") + text("x"), 1011, "internal error", CauseHandler},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newTestHandler()
			r := startReactor(t, Options{}, h)
			other := upgraded(t, r.Port())
			c := upgraded(t, r.Port())
			c.write(text("hello"))
			c.expect("hello")
			c.write(tc.send)
			c.expectClose(tc.code, tc.reason)
			_ = c.nc.Close()
			waitFor(t, "the cause", func() bool { return h.ended(tc.cause) == 1 })
			other.write(text("still here"))
			other.expect("still here")
		})
	}
}

// TestEndWithoutCloseFrame is FIN and RST at every stage.
func TestEndWithoutCloseFrame(t *testing.T) {
	h := newTestHandler()
	r := startReactor(t, Options{}, h)
	for _, stage := range []string{"", "GET /ws HT", "open", "\x81", "\x81\xff\x00\x00\x00\x00\x00\x00\x10\x00\x01\x02\x03\x04abc"} {
		for _, rst := range []bool{false, true} {
			c := connect(t, r.Port(), 0)
			if stage == "" || stage[0] == 'G' {
				c.write(stage)
			} else {
				c.upgrade(upgradeRequest)
				if stage[0] == '\x81' {
					c.write(stage)
				}
			}
			if rst {
				if err := c.nc.(*net.TCPConn).SetLinger(0); err != nil {
					t.Fatal(err)
				}
			}
			_ = c.nc.Close()
		}
	}
	waitFor(t, "all to be gone", func() bool { return r.Conns() == 0 })
	if eof, transport := h.ended(CauseEOF), h.ended(CauseTransport); eof != 3 || transport != 3 {
		t.Errorf("%d ended by EOF and %d by a fault of the transport, want 3 and 3", eof, transport)
	}
}

// TestServerCloses flushes what waits, sends the close frame, shuts its side of
// TCP and lets the client answer.
func TestServerCloses(t *testing.T) {
	h := newTestHandler()
	r := startReactor(t, Options{Loops: 1, CloseTimeout: time.Minute}, h)
	c := upgraded(t, r.Port())
	waitFor(t, "the connection", func() bool { return len(h.all()) == 1 })
	hd := h.all()[0]
	release := blockLoops(t, h, c) // so that all comes in one batch
	for _, call := range []func() error{
		func() error { return r.Broadcast(codec.NewTextString("1"), nil) },
		func() error { return r.Send(hd, codec.NewTextString("2"), nil) },
		func() error { return r.Broadcast(codec.NewTextString("3"), nil) },
		func() error { return r.Close(hd, codec.CloseNormal, "kicked", CauseKicked, nil) },
		func() error { return r.Close(hd, codec.CloseGoingAway, "again", CauseShutdown, nil) },
		func() error { return r.Send(hd, codec.NewTextString("late"), nil) },
		func() error { return r.Broadcast(codec.NewTextString("late"), nil) },
	} {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
	release()
	c.expect("1")
	c.expect("2")
	c.expect("3")
	c.expectClose(codec.CloseNormal, "kicked")
	c.write(text("after the close frame") + clientFrame(ws.OpPing, true, "p")) // still legal here, not answered
	if h.ended(CauseKicked) != 1 {
		t.Error("the handler was not told when the close frame went out")
	}
	if r.Conns() != 1 {
		t.Error("the connection was closed before its client answered")
	}
	c.write(closeFrame(1000, ""))
	waitFor(t, "the end", func() bool { return h.ended(CauseKicked) == 1 && r.Conns() == 0 })
	if got := h.messages.Load(); got != 1 {
		t.Errorf("the handler got %d messages, want 1", got)
	}
}

// TestServerClosesPartlySent closes connections in the middle of a frame that the
// kernel took in part: the rest of it comes first, always.
func TestServerClosesPartlySent(t *testing.T) {
	h := newTestHandler()
	r := startReactor(t, Options{SendBuffer: 8 << 10}, h)
	for range 20 {
		c := connect(t, r.Port(), 4<<10)
		c.upgrade(upgradeRequest)
		waitFor(t, "the connection", func() bool { return len(h.all()) == 1 })
		big := strings.Repeat("b", 300<<10)
		if err := r.Broadcast(codec.NewTextString(big), nil); err != nil {
			t.Fatal(err)
		}
		if err := r.SendMany(h.all(), codec.NewTextString(big), nil); err != nil {
			t.Fatal(err)
		}
		rc := NewReceipt()
		if err := r.CloseMany(h.all(), codec.CloseNormal, "", CauseKicked, rc); err != nil {
			t.Fatal(err)
		}
		if n, err := rc.Wait(patience(t)); n != 1 || err != nil {
			t.Fatalf("closed %d, %v", n, err)
		}
		c.expect(big)
		c.expect(big)
		c.expectClose(codec.CloseNormal, "")
		_ = c.nc.Close()
		waitFor(t, "the end", func() bool { return r.Conns() == 0 })
	}
}

// TestClientNeverAnswersClose is cut at the deadline, whether it reads or not.
func TestClientNeverAnswersClose(t *testing.T) {
	h := newTestHandler()
	r := startReactor(t, Options{CloseTimeout: 300 * time.Millisecond, SendBuffer: 8 << 10}, h)
	reads := upgraded(t, r.Port())
	deaf := connect(t, r.Port(), 4<<10)
	deaf.upgrade(upgradeRequest)
	waitFor(t, "the connections", func() bool { return len(h.all()) == 2 })
	if err := r.SendMany(h.all(), codec.NewTextString(strings.Repeat("b", 500<<10)), nil); err != nil {
		t.Fatal(err)
	}
	if err := r.CloseMany(h.all(), codec.CloseNormal, "", CauseKicked, nil); err != nil {
		t.Fatal(err)
	}
	reads.expectClose(codec.CloseNormal, "")
	waitFor(t, "both to be cut", func() bool { return h.ended(CauseKicked) == 2 && r.Conns() == 0 })
}

// TestPanics in every callback: the connection ends, the others do not.
func TestPanics(t *testing.T) {
	h := newTestHandler()
	h2 := &panicking{testHandler: h}
	r := startReactor(t, Options{Loops: 1}, h2)
	other := upgraded(t, r.Port())
	waitFor(t, "the connection", func() bool { return len(h.all()) == 1 })
	c := connect(t, r.Port(), 0)
	h2.where.Store("authenticate")
	c.write(upgradeRequest)
	if got := c.status(); got != 500 {
		t.Errorf("panic in Authenticate: status %d, want 500", got)
	}
	h2.where.Store("open")
	c = connect(t, r.Port(), 0)
	c.upgrade(upgradeRequest)
	c.expectClose(codec.CloseInternalError, "internal error")
	_ = c.nc.Close()
	waitFor(t, "the end", func() bool { return r.Conns() == 1 })
	// The rest of a frame that was cut is no fault of the client's.
	h2.where.Store("")
	c = upgraded(t, r.Port())
	cut := text(strings.Repeat("x", 1000))
	c.write(text("panic") + cut[:500])
	c.expectClose(codec.CloseInternalError, "internal error")
	c.write(cut[500:])
	other.write(text("y"))
	other.expect("y")
	if n := r.Conns(); n != 2 {
		t.Errorf("%d connections, want 2: one was cut before it could answer the close frame", n)
	}
	_ = c.nc.Close()
	waitFor(t, "the end", func() bool { return r.Conns() == 1 })
	h2.where.Store("closed")
	for range 3 {
		c = upgraded(t, r.Port())
		c.write(closeFrame(1000, ""))
		c.expectClose(1000, "")
		_ = c.nc.Close()
	}
	waitFor(t, "the end", func() bool { return r.Conns() == 1 })
	if err := r.Broadcast(codec.NewTextString("on"), nil); err != nil {
		t.Fatal(err)
	}
	other.expect("on")
}

// panicking is a handler with a fault.
type panicking struct {
	*testHandler
	where atomic.Value
}

func (h *panicking) at(where string) {
	if h.where.Load() == where {
		panic("a fault in " + where)
	}
}

func (h *panicking) Authenticate(c *Conn, r *codec.Request) (time.Time, *codec.Rejection) {
	h.at("authenticate")
	return h.testHandler.Authenticate(c, r)
}

func (h *panicking) Open(c *Conn) {
	h.testHandler.Open(c)
	h.at("open")
}

func (h *panicking) Closed(c *Conn, why Cause) {
	h.testHandler.Closed(c, why)
	h.at("closed")
}
