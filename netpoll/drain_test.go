package netpoll

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"carillon/codec"
)

// TestDrain refuses new connections at once, closes the others spread over the
// window and ends when the last is gone.
func TestDrain(t *testing.T) {
	h := newTestHandler()
	r := startReactor(t, Options{}, h)
	const clients = 60
	const window = 1500 * time.Millisecond
	var cs []*rawClient
	for range clients {
		cs = append(cs, upgraded(t, r.Port()))
	}
	connect(t, r.Port(), 0).write("GET /ws")
	waitFor(t, "all to be open", func() bool { return len(h.all()) == clients && r.Conns() == clients+1 })
	start := time.Now()
	times := make([]time.Duration, clients)
	var wg sync.WaitGroup
	for i, c := range cs {
		wg.Go(func() {
			op, p, err := c.next()
			times[i] = time.Since(start)
			if err != nil || op != ws.OpClose || string(p) != "\x03\xe9server shutting down" {
				t.Errorf("got opcode %d %q, %v, want close 1001", op, p, err)
			}
			_ = c.nc.Close()
		})
	}
	drained := make(chan error)
	go func() { drained <- r.Drain(patience(t), window) }()
	waitFor(t, "connects to be refused", func() bool {
		nc, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(r.Port())))
		if err == nil {
			_ = nc.Close()
		}
		return err != nil
	})
	if d := time.Since(start); d > window/2 {
		t.Errorf("connects were refused only after %v", d)
	}
	wg.Wait()
	if err := <-drained; err != nil {
		t.Fatal(err)
	}
	var thirds [3]int
	for _, d := range times {
		thirds[min(2, int(3*d/window))]++
	}
	for i, n := range thirds {
		if n < clients/8 {
			t.Errorf("third %d of the window closed %d of %d: %v", i+1, n, clients, thirds)
		}
	}
	if n := h.ended(CauseShutdown); n != clients {
		t.Errorf("%d ended by shutdown, want %d", n, clients)
	}
}

// TestDrainBeforeAccept stops listening while the loop has been told that its
// listener can be accepted from, and has not got to it. It must not end by that.
func TestDrainBeforeAccept(t *testing.T) {
	h := newTestHandler()
	r := startReactor(t, Options{Loops: 1}, h)
	a, b := upgraded(t, r.Port()), upgraded(t, r.Port())
	var gates [2]chan struct{}
	var entered [2]atomic.Bool
	for i := range gates {
		gates[i] = make(chan struct{})
	}
	h.onMessage(func(_ *Conn, payload []byte) bool {
		i := int(payload[0] - '0')
		entered[i].Store(true)
		<-gates[i]
		return true
	})
	a.write(text("0"))
	waitFor(t, "the loop to block", entered[0].Load)
	b.write(text("1"))
	late := connect(t, r.Port(), 0)
	close(gates[0]) // the next batch of events is b, then the listener
	waitFor(t, "the loop to block again", entered[1].Load)
	drained := make(chan error)
	go func() { drained <- r.Drain(patience(t), 0) }()
	waitFor(t, "connects to be refused", func() bool {
		nc, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(r.Port())))
		if err == nil {
			_ = nc.Close()
		}
		return err != nil
	})
	close(gates[1])
	late.expectEnd()
	for _, c := range []*rawClient{a, b} {
		c.expectClose(codec.CloseGoingAway, "server shutting down")
		_ = c.nc.Close()
	}
	if err := <-drained; err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.Done():
		t.Fatal("the loops ended by themselves")
	default:
	}
}

func TestDrainUnixAndDeadline(t *testing.T) {
	h := newTestHandler()
	path := filepath.Join(t.TempDir(), "s")
	r := startReactor(t, Options{Unix: path, CloseTimeout: time.Minute}, h)
	c, err := tryConnect(t, path, 0)
	if err != nil {
		t.Fatal(err)
	}
	c.upgrade(upgradeRequest)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := r.Drain(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want the deadline: the client did not answer", err)
	}
	if _, err := tryConnect(t, path, 0); err == nil {
		t.Error("a drained Unix socket was connected to")
	}
	c.expectClose(codec.CloseGoingAway, "server shutting down")
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := h.ended(CauseShutdown); n != 1 {
		t.Errorf("%d ended by shutdown, want 1", n)
	}
}
