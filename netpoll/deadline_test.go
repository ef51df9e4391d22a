package netpoll

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"carillon/codec"
)

// TestHandshakeDeadline is for clients that send nothing, or a byte at a time.
func TestHandshakeDeadline(t *testing.T) {
	h := newTestHandler()
	r := startReactor(t, Options{HandshakeTimeout: 400 * time.Millisecond}, h)
	mute := connect(t, r.Port(), 0)
	slow := connect(t, r.Port(), 0)
	done := make(chan int)
	go func() {
		sent := 0
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := slow.nc.Write([]byte{upgradeRequest[sent]}); err != nil || sent > 100 {
				break
			}
			sent++
		}
		done <- sent
	}()
	start := time.Now()
	mute.expectEnd()
	if d := time.Since(start); d < 300*time.Millisecond {
		t.Errorf("ended after %v, before its time", d)
	}
	if sent := <-done; sent > 100 {
		t.Error("the slow client was let go on")
	}
	waitFor(t, "the end", func() bool { return r.Conns() == 0 })
	waitFor(t, "the count", func() bool {
		n := uint64(0)
		for _, s := range r.Stats() {
			n += s.Closed[CauseHandshakeTimeout]
		}
		return n == 2
	})
}

// TestHeartbeatTimeout closes who is silent, and nobody that sends anything:
// a heartbeat, a pong, half a frame.
func TestHeartbeatTimeout(t *testing.T) {
	h := newTestHandler()
	const timeout = 600 * time.Millisecond
	r := startReactor(t, Options{HeartbeatTimeout: timeout}, h)
	silent := upgraded(t, r.Port())
	start := time.Now()
	lively := []*rawClient{upgraded(t, r.Port()), upgraded(t, r.Port()), upgraded(t, r.Port())}
	long := text(codec.HeartbeatRequest)
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(timeout / 6)
		defer tick.Stop()
		for i := 0; ; i++ {
			_, _ = lively[0].nc.Write([]byte(long))
			_, _ = lively[1].nc.Write([]byte(clientFrame(ws.OpPong, true, "")))
			_, _ = lively[2].nc.Write([]byte{long[i%len(long)]})
			if i%3 == 0 {
				_ = r.CheckDeadlines(nil)
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	silent.expectClose(codec.CloseHeartbeatTimeout, "heartbeat timeout")
	if d := time.Since(start); d < timeout {
		t.Errorf("closed after %v, before its time", d)
	}
	_ = silent.nc.Close()
	waitFor(t, "the cause", func() bool { return h.ended(CauseHeartbeatTimeout) == 1 })
	waitFor(t, "some time", func() bool { return time.Since(start) > 4*timeout })
	close(stop)
	<-stopped
	if n := len(h.all()); n != len(lively) {
		t.Errorf("%d of %d clients that sent something are left", n, len(lively))
	}
}

// TestServerPings keep a client alive that only answers them, and find one that
// does not.
func TestServerPings(t *testing.T) {
	h := newTestHandler()
	r := startReactor(t, Options{HeartbeatTimeout: 700 * time.Millisecond, PingInterval: 200 * time.Millisecond}, h)
	answers, deaf := upgraded(t, r.Port()), upgraded(t, r.Port())
	start := time.Now()
	pings := 0
	for time.Since(start) < 2*time.Second {
		op, p, err := answers.next()
		if err != nil || op != ws.OpPing || len(p) != 0 {
			t.Fatalf("got opcode %d %q, %v, want a ping", op, p, err)
		}
		pings++
		answers.write(clientFrame(ws.OpPong, true, ""))
	}
	if pings < 3 || pings > 11 {
		t.Errorf("%d pings in two seconds, want about 8", pings)
	}
	op, _, err := deaf.next()
	if err != nil || op != ws.OpPing {
		t.Fatalf("got opcode %d, %v, want a ping", op, err)
	}
	if op, _, err = deaf.next(); err != nil || op != ws.OpClose {
		t.Fatalf("got opcode %d, %v, want the close frame: one ping a silence", op, err)
	}
}

// TestTokenExpiry closes with 4401 at its time, whatever the client sends.
func TestTokenExpiry(t *testing.T) {
	h := newTestHandler()
	var expires time.Time
	h.expires = func(r *codec.Request) time.Time {
		if string(r.Query) == "past" {
			return time.Now().Add(-time.Second)
		}
		return expires
	}
	expires = time.Now().Add(500 * time.Millisecond)
	r := startReactor(t, Options{}, h)
	c := upgraded(t, r.Port())
	c.write(text("hello"))
	c.expect("hello")
	if err := r.CheckDeadlines(nil); err != nil {
		t.Fatal(err)
	}
	c.expectClose(codec.CloseTokenExpired, "token expired")
	if time.Now().Before(expires) {
		t.Error("closed before its time")
	}
	_ = c.nc.Close()
	waitFor(t, "the cause", func() bool { return h.ended(CauseTokenExpired) == 1 })
	past := connect(t, r.Port(), 0)
	past.write("GET /ws?past" + upgradeRequest[len("GET /ws"):])
	if got := past.status(); got != 101 {
		t.Fatalf("status %d", got)
	}
	past.expectClose(codec.CloseTokenExpired, "token expired")
}

// TestStall stops the server's process for longer than the timeouts. Who was
// silent meanwhile, or sent into the stopped process, stays; a handshake under
// way goes on; one that is silent afterwards is closed after all.
func TestStall(t *testing.T) {
	t.Parallel()
	const timeout = 3 * time.Second
	s := startChild(t, childOptions{HeartbeatTimeout: timeout, HandshakeTimeout: timeout, Loops: 2}, 0)
	quiet, sends := upgraded(t, s.port), upgraded(t, s.port)
	half := connect(t, s.port, 0)
	half.write(upgradeRequest[:20])
	waitFor(t, "the connections", func() bool { return s.do("stat").Conns == 3 })
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	sends.write(text(codec.HeartbeatRequest))
	waitFor(t, "the stall", func() bool { return time.Since(stopped) > 2*timeout })
	if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	resumed := time.Now()
	sends.expect(`{"type":"HEARTBEAT_ACK"}`)
	quiet.write(text(codec.HeartbeatRequest))
	quiet.expect(`{"type":"HEARTBEAT_ACK"}`)
	half.upgrade(upgradeRequest[20:])
	half.write(text("x"))
	half.expect("x")
	if d := time.Since(resumed); d > timeout {
		t.Fatalf("the machine took %v to go on: too long to tell a stall from silence", d)
	}
	// Now quiet lives on and sends does not.
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		sends.expectClose(codec.CloseHeartbeatTimeout, "heartbeat timeout")
	}()
	tick := time.NewTicker(timeout / 6)
	defer tick.Stop()
	for alive := true; alive; {
		select {
		case <-ended:
			alive = false
		case <-tick.C:
			quiet.write(text(codec.HeartbeatRequest))
		}
	}
	quiet.write(text("last"))
	for {
		_, p, err := quiet.next()
		if err != nil {
			t.Fatalf("the live client: %v", err)
		}
		if string(p) == "last" {
			return
		}
	}
}

// TestBlockedLoop is a handler that blocks its loop for longer than the timeout:
// the other clients of the loop are not judged by that.
func TestBlockedLoop(t *testing.T) {
	t.Parallel()
	h := newTestHandler()
	const timeout = 800 * time.Millisecond
	r := startReactor(t, Options{Loops: 1, HeartbeatTimeout: timeout, HandshakeTimeout: timeout}, h)
	quiet, sends, blocks := upgraded(t, r.Port()), upgraded(t, r.Port()), upgraded(t, r.Port())
	waitFor(t, "the connections", func() bool { return len(h.all()) == 3 })
	release := blockLoops(t, h, blocks)
	start := time.Now()
	sends.write(text("x"))
	waitFor(t, "the stall", func() bool { return time.Since(start) > 2*timeout })
	release()
	sends.expect("x")
	quiet.write(text("y"))
	quiet.expect("y")
	if n := h.ended(CauseHeartbeatTimeout); n != 0 {
		t.Errorf("%d were closed for the stall of a handler", n)
	}
}

// TestExpiryGoesByTheWallClock: the end of a token is a time of day, and a clock that is
// set, or stood still while the machine was suspended, changes how far away it is.
func TestExpiryGoesByTheWallClock(t *testing.T) {
	const hour = uint32(time.Hour / Tick)
	for _, tc := range []struct {
		name    string
		expires time.Duration
		step    int32 // of the clock, in ticks
		ends    bool
	}{
		{"no step", time.Hour, 0, false},
		{"forward to before it", time.Hour, int32(hour - 10), false},
		{"forward beyond it", time.Hour, int32(hour + 1), true},
		{"back", 0, -int32(hour), false},
		{"past", -time.Second, 0, true},
		{"long past", -20 * 365 * 24 * time.Hour, 0, true},
		{"far away", 20 * 365 * 24 * time.Hour, 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newTestShard(t, Options{})
			s.wall += uint32(tc.step)
			c := s.addModelClient(t, rand.New(rand.NewPCG(1, 2)), false).c
			c.expires = expiryOf(time.Now().Add(tc.expires))
			next := s.judgeOpen(c)
			if ended := c.state != stateOpen; ended != tc.ends {
				t.Errorf("ended %v, want %v", ended, tc.ends)
			}
			if !tc.ends && (next == 0 || next > s.heartbeatTicks) {
				t.Errorf("looked at again after %d ticks", next)
			}
		})
	}
	s := newTestShard(t, Options{})
	s.wall -= 5
	s.r.started = s.r.started.Add(-Tick)
	s.tick()
	if d := wallTick(time.Now()) - s.wall; d > 5 {
		t.Errorf("the wall clock is %d ticks behind after a look at it", d)
	}
}
