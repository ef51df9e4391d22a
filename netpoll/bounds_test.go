package netpoll

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"carillon/codec"
)

func patience(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	t.Cleanup(cancel)
	return ctx
}

// blockLoops makes handlers of the connections wait until the returned function
// is called, so that what is pushed meanwhile queues up.
func blockLoops(t testing.TB, h *testHandler, cs ...*rawClient) (release func()) {
	t.Helper()
	gate := make(chan struct{})
	var blocked atomic.Int32
	h.onMessage(func(_ *Conn, payload []byte) bool {
		if string(payload) != "block" {
			return false
		}
		blocked.Add(1)
		<-gate
		return true
	})
	for _, c := range cs {
		c.write(text("block"))
	}
	waitFor(t, "the loops to block", func() bool { return int(blocked.Load()) == len(cs) })
	return func() { close(gate) }
}

// TestQueueBounds fills the queue of a blocked loop by number and by bytes: what
// does not fit is refused, what was taken arrives, and after it all is well.
func TestQueueBounds(t *testing.T) {
	for _, tc := range []struct {
		name         string
		number, size int
		taken        int
	}{{"number", 10, 1 << 20, 10}, {"bytes", 1000, 10 * 1004, 10}} {
		t.Run(tc.name, func(t *testing.T) {
			h := newTestHandler()
			r := startReactor(t, Options{Loops: 1, MaxQueued: tc.number, MaxQueuedBytes: tc.size}, h)
			c := upgraded(t, r.Port())
			release := blockLoops(t, h, c)
			payload := strings.Repeat("x", 1000)
			var receipts []*Receipt
			for i := range tc.taken {
				rc := NewReceipt()
				if err := r.Broadcast(codec.NewTextString(payload), rc); err != nil {
					t.Fatalf("broadcast %d: %v", i, err)
				}
				receipts = append(receipts, rc)
			}
			hs := h.all()
			f := codec.NewTextString(payload)
			for what, call := range map[string]func(*Receipt) error{
				"broadcast": func(rc *Receipt) error { return r.Broadcast(f, rc) },
				"send":      func(rc *Receipt) error { return r.Send(hs[0], f, rc) },
				"send many": func(rc *Receipt) error { return r.SendMany(hs, f, rc) },
			} {
				rc := NewReceipt()
				if err := call(rc); !errors.Is(err, ErrQueueFull) {
					t.Errorf("%s: got %v, want ErrQueueFull", what, err)
				}
				if n, err := rc.Wait(patience(t)); n != 0 || err != nil {
					t.Errorf("%s: refused, but the receipt says %d, %v", what, n, err)
				}
			}
			if got := r.Stats()[0].QueueRefused; got != 3 {
				t.Errorf("%d refusals are counted, want 3", got)
			}
			release()
			for _, rc := range receipts {
				if n, err := rc.Wait(patience(t)); n != 1 || err != nil {
					t.Fatalf("receipt says %d, %v, want 1", n, err)
				}
				c.expect(payload)
			}
			if err := r.Broadcast(codec.NewTextString("again"), nil); err != nil {
				t.Fatal(err)
			}
			c.expect("again")
		})
	}
}

// TestLargerThanTheQueue pushes operations with more bytes than may wait: each is
// taken when no bytes wait, and refused, or waits, while some do.
func TestLargerThanTheQueue(t *testing.T) {
	h := newTestHandler()
	r := startReactor(t, Options{Loops: 1, MaxQueuedBytes: 1000}, h)
	c := upgraded(t, r.Port())
	waitFor(t, "the connection", func() bool { return len(h.all()) == 1 })
	hs := h.all()
	feed := r.NewFeed()
	large := codec.NewTextString(strings.Repeat("x", 2000))
	small := codec.NewTextString("x")
	many := append(make([]Handle, 200), hs...) // so many handles are too large, too
	for what, call := range map[string]func(*Receipt) error{
		"broadcast":        func(rc *Receipt) error { return r.Broadcast(large, rc) },
		"send":             func(rc *Receipt) error { return r.Send(hs[0], large, rc) },
		"send many":        func(rc *Receipt) error { return r.SendMany(many, small, rc) },
		"feed's broadcast": func(rc *Receipt) error { rc.expect(0); return feed.Broadcast(patience(t), large) },
		"feed's send many": func(rc *Receipt) error { rc.expect(0); return feed.SendMany(patience(t), many, small) },
	} {
		waitFor(t, "the queue to be empty", func() bool { return r.Stats()[0].QueueBytes == 0 })
		rc := NewReceipt()
		if err := call(rc); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if _, err := rc.Wait(patience(t)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if _, p, err := c.next(); err != nil || len(p) != len(large.Payload()) && len(p) != len(small.Payload()) {
			t.Errorf("%s: got %d bytes, %v", what, len(p), err)
		}
	}
	waitFor(t, "the queue to be empty", func() bool { return r.Stats()[0].QueueBytes == 0 })
	release := blockLoops(t, h, c)
	if err := r.Broadcast(small, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Broadcast(large, nil); !errors.Is(err, ErrQueueFull) {
		t.Errorf("behind another: got %v, want ErrQueueFull", err)
	}
	fed := make(chan error)
	ctx := patience(t)
	go func() { fed <- feed.Broadcast(ctx, large) }()
	waitFor(t, "the feed to wait", func() bool { now, _ := feed.Waiting(); return now })
	release()
	if err := <-fed; err != nil {
		t.Errorf("feed: %v", err)
	}
	c.expect(string(small.Payload()))
	c.expect(string(large.Payload()))
}

func TestTooLarge(t *testing.T) {
	h := newTestHandler()
	r := startReactor(t, Options{MaxOutbound: 1000}, h)
	c := upgraded(t, r.Port())
	fits := codec.NewTextString(strings.Repeat("x", 996))
	over := codec.NewTextString(strings.Repeat("x", 997))
	waitFor(t, "the connection", func() bool { return len(h.all()) == 1 })
	hs := h.all()
	for what, call := range map[string]func(*codec.Frame, *Receipt) error{
		"broadcast": r.Broadcast,
		"send":      func(f *codec.Frame, rc *Receipt) error { return r.Send(hs[0], f, rc) },
		"send many": func(f *codec.Frame, rc *Receipt) error { return r.SendMany(hs, f, rc) },
	} {
		rc := NewReceipt()
		if err := call(over, rc); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: got %v, want ErrTooLarge", what, err)
		}
		if n, err := rc.Wait(patience(t)); n != 0 || err != nil {
			t.Errorf("%s: refused, but the receipt says %d, %v", what, n, err)
		}
		rc = NewReceipt()
		if err := call(fits, rc); err != nil {
			t.Errorf("%s: %v for a frame of exactly the bound", what, err)
		}
		if n, err := rc.Wait(patience(t)); n != 1 || err != nil {
			t.Errorf("%s: the receipt says %d, %v, want 1", what, n, err)
		}
		c.expect(string(fits.Payload()))
	}
}

// TestReceiptsFinishAtStop leaves operations in the queue of a loop that ends.
func TestReceiptsFinishAtStop(t *testing.T) {
	h := newTestHandler()
	r := startReactor(t, Options{Loops: 2}, h)
	waitForLoops := func() (a, b *rawClient) {
		for {
			c := upgraded(t, r.Port())
			waitFor(t, "it to be open", func() bool { return len(h.all()) > 0 })
			for _, hd := range h.all() {
				if hd.shard() == 0 {
					return c, nil
				}
			}
		}
	}
	c, _ := waitForLoops()
	gone := Handle(1)<<(handleGenBits+handleSlotBits) | 77<<handleGenBits | 1
	release := blockLoops(t, h, c)
	var receipts []*Receipt
	add := func(call func(*Receipt) error) {
		t.Helper()
		rc := NewReceipt()
		if err := call(rc); err != nil {
			t.Fatal(err)
		}
		receipts = append(receipts, rc)
	}
	f := codec.NewTextString("x")
	add(func(rc *Receipt) error { return r.Broadcast(f, rc) })
	add(func(rc *Receipt) error { return r.Send(gone, f, rc) })
	add(func(rc *Receipt) error { return r.Send(0, f, rc) })
	add(func(rc *Receipt) error { return r.SendMany(nil, f, rc) })
	add(func(rc *Receipt) error { return r.SendMany(append(h.all(), gone), f, rc) })
	add(func(rc *Receipt) error { return r.CloseMany(h.all(), codec.CloseNormal, "", CauseKicked, rc) })
	add(r.CheckDeadlines)
	stopped := make(chan error, 1)
	go func() { stopped <- r.Stop() }()
	release()
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	for i, rc := range receipts {
		if _, err := rc.Wait(patience(t)); err != nil {
			t.Errorf("receipt %d: %v", i, err)
		}
	}
	rc := NewReceipt()
	if err := r.Broadcast(f, rc); !errors.Is(err, ErrStopped) {
		t.Errorf("after the stop: got %v, want ErrStopped", err)
	}
	if _, err := rc.Wait(patience(t)); err != nil {
		t.Errorf("receipt after the stop: %v", err)
	}
}

// TestFullAtTheEnd has the loops end while a queue is full, by a stop and because
// gnet ended: a Feed call that waits for room returns, and what comes after the stop
// is refused for that, not for load.
func TestFullAtTheEnd(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		end  func(*Shard)
	}{
		{"stop", (*Shard).stop},
		{"gnet", func(s *Shard) { close(s.r.loopsDone) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newTestShard(t, Options{MaxQueued: 10, MaxQueuedBytes: 1000})
			s.r.loopsDone = make(chan struct{})
			f := codec.NewTextString(strings.Repeat("x", 500))
			if err := s.r.Broadcast(f, nil); err != nil {
				t.Fatal(err)
			}
			feed := s.r.NewFeed()
			fed := make(chan error, 1)
			ctx := patience(t)
			go func() { fed <- feed.Broadcast(ctx, f) }()
			waitFor(t, "the feed to wait", func() bool { now, _ := feed.Waiting(); return now })
			tc.end(s)
			if err := <-fed; !errors.Is(err, ErrStopped) {
				t.Errorf("feed: got %v, want ErrStopped", err)
			}
			s.stop()
			if err := s.r.Broadcast(f, nil); !errors.Is(err, ErrStopped) {
				t.Errorf("broadcast: got %v, want ErrStopped", err)
			}
			if st := s.r.Stats()[0]; st.QueueDepth != 0 || st.QueueBytes != 0 {
				t.Errorf("%d operations and %d bytes are counted as queued", st.QueueDepth, st.QueueBytes)
			}
		})
	}
}

// TestMoreThanTheLogHolds broadcasts many times what the ring can hold, in
// frames up to the bound itself, to clients that read.
func TestMoreThanTheLogHolds(t *testing.T) {
	h := newTestHandler()
	const bound = 256 << 10
	r := startReactor(t, Options{MaxOutbound: bound}, h)
	const clients, rounds = 20, 40
	size := func(i int) int {
		if i%4 == 0 {
			return bound - 10
		}
		return 1 + i*617%(bound/8)
	}
	frame := func(i int) string {
		head := fmt.Sprint(i, " ")
		return head + strings.Repeat("y", max(0, size(i)-len(head)))
	}
	done := make(chan error, clients)
	var progress [rounds]atomic.Int32
	for range clients {
		c := upgraded(t, r.Port())
		go func() {
			for i := range rounds {
				_, p, err := c.next()
				if err != nil || string(p) != frame(i) {
					done <- fmt.Errorf("frame %d: got %.20q (%d bytes), %v", i, p, len(p), err)
					return
				}
				progress[i].Add(1)
			}
			done <- nil
		}()
	}
	waitFor(t, "all to be open", func() bool { return len(h.all()) == clients })
	for i := range rounds {
		if err := r.Broadcast(codec.NewTextString(frame(i)), nil); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the clients", func() bool { return progress[i].Load() == clients || len(done) > 0 })
	}
	for range clients {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	waitFor(t, "the tick", func() bool { return r.Stats()[0].SentBytes > 0 })
	for i, s := range r.Stats() {
		if s.LogBytes > 2*2*bound {
			t.Errorf("loop %d keeps %d bytes of logs for a bound of %d", i, s.LogBytes, bound)
		}
	}
}

// TestSlowConsumer has clients that stop reading beside ones that read: the slow
// ones are closed at a frame boundary with 1013, or cut when they never read
// again; the others lose nothing and wait for nobody.
func TestSlowConsumer(t *testing.T) {
	onBothPaths(t, slowConsumer)
}

func slowConsumer(t *testing.T, mode UringMode) {
	h := newTestHandler()
	r := startReactor(t, Options{MaxOutbound: 64 << 10, SendBuffer: 16 << 10, CloseTimeout: 5 * time.Second, Uring: mode}, h)
	var slow []*rawClient
	for i := range 4 {
		c := connect(t, r.Port(), 4<<10)
		if i%2 == 0 {
			c.upgrade(upgradeRequest)
		} else {
			c.upgrade(deflateRequest)
		}
		slow = append(slow, c)
	}
	quick := upgraded(t, r.Port())
	payload := strings.Repeat("z", 3000)
	n := 0
	closing := func() bool {
		sum := 0
		for _, s := range r.Stats() {
			sum += s.Open
		}
		return n > 10 && sum == 1
	}
	for deadline := time.Now().Add(testPatience); !closing(); n++ {
		if time.Now().After(deadline) {
			t.Fatalf("nobody is a slow consumer after %d broadcasts", n)
		}
		if err := r.Broadcast(codec.NewTextString(payload), nil); err != nil {
			t.Fatal(err)
		}
		quick.expect(payload)
		quick.write(text(codec.HeartbeatRequest))
		quick.expect(`{"type":"HEARTBEAT_ACK"}`)
	}
	for _, c := range slow[:2] { // wake up
		got := 0
		for {
			op, p, err := c.next()
			if err != nil {
				t.Fatalf("after %d whole frames: %v", got, err)
			}
			if op == 8 {
				if want := "\x03\xf5slow consumer"; string(p) != want {
					t.Errorf("close frame %q, want %q", p, want)
				}
				break
			}
			if string(p) != payload {
				t.Fatalf("frame %d is damaged", got)
			}
			got++
		}
		if got == 0 || got >= n {
			t.Errorf("got %d of %d frames", got, n)
		}
		c.write(closeFrame(1013, ""))
		c.expectEnd()
	}
	waitFor(t, "the ones that never read to be cut", func() bool { return h.ended(CauseSlowConsumer) == len(slow) && r.Conns() == 1 })
	for range 3 {
		if err := r.Broadcast(codec.NewTextString("on"), nil); err != nil {
			t.Fatal(err)
		}
		quick.expect("on")
	}
}
