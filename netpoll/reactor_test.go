package netpoll

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"

	"carillon/codec"
)

// testHandler echoes, answers heartbeats and keeps the handles of open
// connections.
type testHandler struct {
	mu       sync.Mutex
	handles  map[Handle]bool
	causes   map[Cause]int
	messages atomic.Int64
	http     func(net.Conn) bool
	forget   bool // keeps no handles: for measurements
	open     func(*Conn)
	message  atomic.Pointer[func(c *Conn, payload []byte) bool] // true: done
	expires  func(*codec.Request) time.Time
}

func newTestHandler() *testHandler {
	return &testHandler{handles: make(map[Handle]bool), causes: make(map[Cause]int)}
}

func (h *testHandler) Authenticate(_ *Conn, r *codec.Request) (time.Time, *codec.Rejection) {
	if h.expires != nil {
		return h.expires(r), nil
	}
	return time.Time{}, nil
}

func (h *testHandler) Open(c *Conn) {
	if h.open != nil {
		h.open(c)
	}
	if h.forget {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handles[c.Handle()] = true
}

func (h *testHandler) Message(c *Conn, op ws.OpCode, payload []byte) {
	h.messages.Add(1)
	switch {
	case h.intercepted(c, payload):
	case codec.IsHeartbeat(payload):
		c.SendShared(codec.HeartbeatAck)
	case string(payload) == "panic":
		panic("a handler's fault")
	default:
		c.SendMessage(op, payload, 1)
	}
}

func (h *testHandler) Closed(c *Conn, why Cause) {
	if h.forget {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.handles, c.Handle())
	h.causes[why]++
}

func (h *testHandler) HTTP(nc net.Conn) bool { return h.http != nil && h.http(nc) }

func (h *testHandler) all() []Handle {
	h.mu.Lock()
	defer h.mu.Unlock()
	hs := make([]Handle, 0, len(h.handles))
	for k := range h.handles {
		hs = append(hs, k)
	}
	return hs
}

func (h *testHandler) ended(why Cause) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.causes[why]
}

func startReactor(t testing.TB, opt Options, h Handler) *Reactor {
	t.Helper()
	if opt.Host == "" {
		opt.Host = "127.0.0.1"
	}
	if opt.Policy.Path == "" {
		opt.Policy.Path = "/ws"
	}
	if opt.Loops == 0 {
		opt.Loops = 2
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler) // gnet logs through the last one, whose test may be over
	}
	r, err := New(opt, h)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return r
}

func dial(t testing.TB, r *Reactor) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.DefaultDialer.Dial(fmt.Sprintf("ws://127.0.0.1:%d/ws", r.Port()), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(testPatience))
	return c
}

// testPatience bounds every wait of a test; reaching it is a failure.
const testPatience = 20 * time.Second

func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(testPatience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func expect(t testing.TB, c *websocket.Conn, want string) {
	t.Helper()
	_, got, err := c.ReadMessage()
	if err != nil {
		t.Fatalf("read: %v, want %q", err, want)
	}
	if string(got) != want {
		t.Fatalf("got %.80q, want %.80q", got, want)
	}
}

func expectClose(t testing.TB, c *websocket.Conn, code int, reason string) {
	t.Helper()
	for {
		_, _, err := c.ReadMessage()
		if err == nil {
			continue
		}
		ce, ok := err.(*websocket.CloseError)
		if !ok {
			t.Fatalf("got %v, want close %d %q", err, code, reason)
		}
		if ce.Code != code || ce.Text != reason {
			t.Fatalf("got close %d %q, want %d %q", ce.Code, ce.Text, code, reason)
		}
		return
	}
}

func send(t testing.TB, c *websocket.Conn, msg string) {
	t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(msg)); err != nil {
		t.Fatal(err)
	}
}

func TestEchoAndPush(t *testing.T) {
	h := newTestHandler()
	r := startReactor(t, Options{}, h)
	var conns []*websocket.Conn
	for range 20 {
		conns = append(conns, dial(t, r))
	}
	for i, c := range conns {
		send(t, c, fmt.Sprint("hello ", i))
		expect(t, c, fmt.Sprint("hello ", i))
		send(t, c, codec.HeartbeatRequest)
		expect(t, c, `{"type":"HEARTBEAT_ACK"}`)
	}
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	defer cancel()
	for i := range 100 {
		rc := NewReceipt()
		if err := r.Broadcast(codec.NewTextString(fmt.Sprint("b", i)), rc); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			if n, err := rc.Wait(ctx); n != 20 || err != nil {
				t.Fatalf("broadcast reached %d, %v; want 20", n, err)
			}
		}
		rc = NewReceipt()
		if err := r.SendMany(h.all(), codec.NewTextString(fmt.Sprint("m", i)), rc); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			if n, err := rc.Wait(ctx); n != 20 || err != nil {
				t.Fatalf("send reached %d, %v; want 20", n, err)
			}
		}
	}
	for _, c := range conns {
		for i := range 100 {
			expect(t, c, fmt.Sprint("b", i))
			expect(t, c, fmt.Sprint("m", i))
		}
	}
	if err := r.CloseMany(h.all(), codec.CloseNormal, "", CauseKicked, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range conns {
		expectClose(t, c, 1000, "")
	}
	waitFor(t, "all to be gone", func() bool { return h.ended(CauseKicked) == 20 && r.Conns() == 0 })
}

func (h *testHandler) intercepted(c *Conn, payload []byte) bool {
	f := h.message.Load()
	return f != nil && (*f)(c, payload)
}

func (h *testHandler) onMessage(f func(c *Conn, payload []byte) bool) { h.message.Store(&f) }
