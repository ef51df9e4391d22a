package netpoll

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"carillon/codec"
)

// lingering starts a reactor whose loops may linger, and sees that they do.
func lingering(t *testing.T, loops int) (*Reactor, *testHandler) {
	t.Helper()
	before := runtime.GOMAXPROCS(loops + 2)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) }) // after the reactor has stopped
	h := newTestHandler()
	r := startReactor(t, Options{Loops: loops}, h)
	onLoops(t, r, func(s *Shard) {
		if !s.direct.poll.found() {
			t.Errorf("loop %d leaves reading to gnet", s.idx)
		}
	})
	return r, h
}

// onLoops runs f on every loop, one after the other.
func onLoops(t *testing.T, r *Reactor, f func(*Shard)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	defer cancel()
	for _, s := range *r.shards.Load() {
		rc := NewReceipt()
		rc.expect(1)
		if err := s.push(op{kind: opCall, call: f, receipt: rc}); err != nil {
			t.Fatal(err)
		}
		if _, err := rc.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// busy has clients send, wait for the echo and pause, so that loops linger nearly all
// the time, until the function it returns is called.
func busy(t *testing.T, r *Reactor, clients int, pause time.Duration) (stop func()) {
	t.Helper()
	ended := make(chan error, clients)
	quit := make(chan struct{})
	for range clients {
		c := upgraded(t, r.Port())
		go func() {
			ended <- func() error {
				frame := []byte(text("x"))
				reply := make([]byte, 3)
				for {
					select {
					case <-quit:
						return nil
					default:
					}
					if _, err := c.nc.Write(frame); err != nil {
						return err
					}
					if _, err := io.ReadFull(c.br, reply); err != nil {
						return err
					}
					time.Sleep(pause)
				}
			}()
		}()
	}
	return func() {
		close(quit)
		for range clients {
			if err := <-ended; err != nil {
				t.Errorf("client: %v", err)
			}
		}
	}
}

// TestLoopsLingerWhereProcessorsAreLeft starts reactors with as many loops as Go
// may use processors, and with fewer.
func TestLoopsLingerWhereProcessorsAreLeft(t *testing.T) {
	before := runtime.GOMAXPROCS(2)
	defer runtime.GOMAXPROCS(before)
	for loops, want := range map[int]time.Duration{1: lingerMost, 2: 0} {
		r := startReactor(t, Options{Loops: loops}, newTestHandler())
		onLoops(t, r, func(s *Shard) {
			if got := s.direct.linger; got != want {
				t.Errorf("%d loops on 2 processors: loop %d lingers for %v, want %v", loops, s.idx, got, want)
			}
		})
		if err := r.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLingeringTakesNoTask has loops linger while tasks come for gnet, which hears
// of them by an edge-triggered event.
func TestLingeringTakesNoTask(t *testing.T) {
	r, _ := lingering(t, 2)
	stop := busy(t, r, 4, time.Millisecond)
	defer stop()
	for i := range 200 {
		for _, s := range *r.shards.Load() {
			ran := make(chan struct{})
			err := s.loop.Execute(context.Background(), gnet.RunnableFunc(func(context.Context) error {
				close(ran)
				return nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			select {
			case <-ran:
			case <-time.After(testPatience):
				t.Fatalf("task %d of loop %d does not run", i, s.idx)
			}
		}
		time.Sleep(time.Duration(i%7) * 100 * time.Microsecond) // at any point of the loop's round
	}
}

// TestLingeringServes pushes, advances clocks and stops while loops linger.
func TestLingeringServes(t *testing.T) {
	r, h := lingering(t, 2)
	stop := busy(t, r, 4, time.Millisecond)
	c := dial(t, r)
	waitFor(t, "the client to be open", func() bool { return len(h.all()) == 5 })
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	defer cancel()
	for i := range 100 {
		send(t, c, "hello")
		expect(t, c, "hello")
		rc := NewReceipt()
		if err := r.CheckDeadlines(rc); err != nil {
			t.Fatal(err)
		}
		if _, err := rc.Wait(ctx); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
	}
	stop()
	if err := r.Broadcast(codec.NewTextString("bye"), nil); err != nil {
		t.Fatal(err)
	}
	expect(t, c, "bye")
}

// TestLingeringLeavesTheCollectorAlone has Go's collector stop the world while
// loops linger.
func TestLingeringLeavesTheCollectorAlone(t *testing.T) {
	r, _ := lingering(t, 1)
	stop := busy(t, r, 1, lingerMost*4/5) // nothing else ends the wait before it is in vain
	defer stop()
	sample := []metrics.Sample{{Name: "/sched/pauses/stopping/gc:seconds"}}
	total := func() (n uint64, seconds float64) {
		metrics.Read(sample)
		h := sample[0].Value.Float64Histogram()
		for i, count := range h.Counts {
			n += count
			if count > 0 {
				seconds += float64(count) * h.Buckets[i] // the lower bound; that of the first is -Inf
			}
		}
		return n, seconds
	}
	n0, s0 := total()
	for range 50 {
		runtime.GC()
	}
	n, s := total()
	mean := time.Duration((s - s0) / float64(n-n0) * float64(time.Second))
	if mean > lingerMost/5 {
		t.Errorf("the collector waits %v on average for loops that linger for %v", mean, lingerMost)
	}
}

// TestReadsOfBothTakeTurns sends messages in pieces that end within a frame's header
// while gnet has tasks and connections of its own to see to, so that some pieces are
// read by gnet and some by the loop itself.
func TestReadsOfBothTakeTurns(t *testing.T) {
	r, _ := lingering(t, 2)
	quit := make(chan struct{})
	var load sync.WaitGroup
	defer func() {
		close(quit)
		load.Wait()
	}()
	for _, s := range *r.shards.Load() {
		load.Go(func() {
			for {
				select {
				case <-quit:
					return
				case <-time.After(50 * time.Microsecond):
					_ = s.loop.Execute(context.Background(), gnet.RunnableFunc(func(context.Context) error { return nil }))
				}
			}
		})
	}
	var held, buffered atomic.Bool
	for i := range 8 {
		c := upgraded(t, r.Port())
		load.Go(func() {
			rnd := rand.New(rand.NewPCG(7, uint64(i)))
			for n := 0; ; n++ {
				select {
				case <-quit:
					return
				default:
				}
				want := fmt.Sprintf("message %d of %d", n, i)
				frame := []byte(text(want))
				for len(frame) > 0 {
					k := min(1+rnd.IntN(5), len(frame))
					if _, err := c.nc.Write(frame[:k]); err != nil {
						t.Error(err)
						return
					}
					frame = frame[k:]
				}
				op, got, err := c.next()
				if err != nil || op != ws.OpText || string(got) != want {
					t.Errorf("got opcode %d %q, %v; want %q", op, got, err, want)
					return
				}
			}
		})
	}
	waitFor(t, "bytes left over by both", func() bool {
		onLoops(t, r, func(s *Shard) {
			for _, c := range s.conns {
				if c != nil && c.has(flagHeld) {
					held.Store(true)
				}
				if c != nil && c.has(flagBuffered) {
					buffered.Store(true)
				}
			}
		})
		return held.Load() && buffered.Load() || t.Failed()
	})
}

// TestLeavesWhatIsNotItsOwn tells a socket that waits for the loop from all that are
// gnet's, and one of which gnet has bytes.
func TestLeavesWhatIsNotItsOwn(t *testing.T) {
	r, h := lingering(t, 1)
	c := upgraded(t, r.Port())
	waitFor(t, "the client to be open", func() bool { return len(h.all()) == 1 })
	onLoops(t, r, func(s *Shard) {
		d := &s.direct
		conn := s.find(h.all()[0])
		fd := int(s.hot[conn.slot].fd)
		if got := s.connOf(fd); got != conn {
			t.Errorf("descriptor %d is connection %p, want %p", fd, got, conn)
		}
		for _, other := range []int{d.poll.fd, d.wake, len(r.slots)} {
			if got := s.connOf(other); got != nil {
				t.Errorf("descriptor %d is connection %p", other, got)
			}
		}
		// A descriptor that is another loop's by now, in a slot that this loop has, too,
		// and in one that it does not have.
		for _, slot := range []uint32{conn.slot + 1, uint32(len(s.conns)) + 7} {
			r.slots[d.wake].Store(slot)
			if got := s.connOf(d.wake); got != nil {
				t.Errorf("another loop's descriptor in slot %d is connection %p", slot-1, got)
			}
		}
		r.slots[d.wake].Store(0)
		if _, err := c.nc.Write([]byte(text("x"))); err != nil {
			t.Error(err)
		}
		for !s.unread(conn) {
			time.Sleep(time.Millisecond)
		}
		conn.flags |= flagBuffered
		if s.read(int32(fd), conn) {
			t.Error("a connection of which gnet has bytes was read")
		}
		conn.flags &^= flagBuffered
		if !s.read(int32(fd), conn) || s.unread(conn) {
			t.Error("a connection with bytes was not read")
		}
	})
	if _, got, err := c.next(); err != nil || string(got) != "x" {
		t.Errorf("got %q, %v", got, err)
	}
	_ = c.nc.Close()
	waitFor(t, "the client to be gone", func() bool { return r.Conns() == 0 })
	onLoops(t, r, func(*Shard) {
		for fd := range r.slots {
			if slot := r.slots[fd].Load(); slot != 0 {
				t.Errorf("descriptor %d still has slot %d", fd, slot-1)
			}
		}
	})
}

// TestManyLostAtOnce has nearly all clients of a loop go at once, by the letter and
// without, and one that stays send behind them: it is answered before they are all
// closed, and they are closed.
func TestManyLostAtOnce(t *testing.T) {
	const gone = 600
	r, h := lingering(t, 1)
	stays := upgraded(t, r.Port())
	waitFor(t, "the client that stays", func() bool { return len(h.all()) == 1 })
	staying := h.all()[0]
	var leaving [gone]*rawClient
	for i := range leaving {
		leaving[i] = upgraded(t, r.Port())
	}
	waitFor(t, "the clients to be open", func() bool { return len(h.all()) == gone+1 })
	var before atomic.Int64
	note := func(*Conn, []byte) bool {
		before.Store(int64(h.ended(CauseEOF) + h.ended(CauseTransport)))
		return false
	}
	h.message.Store(&note)
	onLoops(t, r, func(s *Shard) {
		for i, c := range leaving {
			if i%2 == 0 {
				if err := c.nc.(*net.TCPConn).SetLinger(0); err != nil {
					t.Error(err)
				}
			}
			if err := c.nc.Close(); err != nil {
				t.Error(err)
			}
		}
		for _, c := range s.conns {
			if c == nil || c == s.find(staying) {
				continue
			}
			// Unlike reading, polling leaves an error to who reads next.
			ends := []unix.PollFd{{Fd: s.hot[c.slot].fd, Events: unix.POLLIN}}
			if n, err := unix.Poll(ends, int(testPatience.Milliseconds())); n != 1 || err != nil {
				t.Errorf("no end of a client came: %v", err)
			}
		}
		if _, err := stays.nc.Write([]byte(text("x"))); err != nil {
			t.Error(err)
		}
		s.direct.lingers = attempt{} // the next look is the loop's own
	})
	if _, got, err := stays.next(); err != nil || string(got) != "x" {
		t.Errorf("got %q, %v", got, err)
	}
	waitFor(t, "the others to be closed", func() bool { return r.Conns() == 1 })
	// What gnet had taken from its poller before, and three looks.
	if n := before.Load(); n >= gone/2 {
		t.Errorf("%d of %d were closed first", n, gone)
	}
	if eof, transport := h.ended(CauseEOF), h.ended(CauseTransport); eof != gone/2 || transport != gone/2 {
		t.Errorf("%d ended by EOF and %d by a fault of the transport, want %d of each", eof, transport, gone/2)
	}
	onLoops(t, r, func(s *Shard) {
		if len(s.lost) > 0 {
			t.Errorf("%d are still to be closed", len(s.lost))
		}
	})
}

// polled is an epoll descriptor as gnet's: a descriptor that is level-triggered and
// an eventfd that is edge-triggered.
func polled(t *testing.T) (p *eventPoll, level, edge int) {
	t.Helper()
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	fds := [2]int{}
	for i, flags := range []uint32{unix.EPOLLIN, unix.EPOLLIN | unix.EPOLLET} {
		if fds[i], err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
			t.Fatal(err)
		}
		if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fds[i], &unix.EpollEvent{Fd: int32(fds[i]), Events: flags}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, fd := range append(fds[:], ep) {
			_ = unix.Close(fd)
		}
	})
	p = &eventPoll{}
	if err := p.find(fds[0]); err != nil {
		t.Fatal(err)
	}
	if p.fd != ep || p.tasks != fds[1] {
		t.Fatalf("found epoll descriptor %d and eventfd %d, want %d and %d", p.fd, p.tasks, ep, fds[1])
	}
	return p, fds[0], fds[1]
}

func post(t *testing.T, fd int) {
	t.Helper()
	if _, err := unix.Write(fd, binary.NativeEndian.AppendUint64(nil, 1)); err != nil {
		t.Fatal(err)
	}
}

// TestLookingTakesNothing looks at events and finds them all there again.
func TestLookingTakesNothing(t *testing.T) {
	p, level, edge := polled(t)
	look := func() (n int) {
		for n = -1; n < 0; n = p.wait(0) { // until no signal comes between
		}
		return n
	}
	if n := look(); n != 0 {
		t.Fatalf("%d events where nothing has come", n)
	}
	post(t, level)
	post(t, edge)
	for i := range 3 {
		if n := look(); n != 2 {
			t.Fatalf("look %d: %d events, want 2", i, n)
		}
	}
}

func TestFindsNoPoll(t *testing.T) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var p eventPoll
	if err := p.find(fd); err == nil || p.found() {
		t.Errorf("found descriptor %d, which watches nothing", p.fd)
	}
	p.fd = fd // not one to poll, as one that was closed
	if n := p.wait(0); n != -1 || p.found() {
		t.Errorf("%d events of what can not be polled; found: %v", n, p.found())
	}
}

func TestWatches(t *testing.T) {
	info := "pos:\t0\nflags:\t02000002\nmnt_id:\t15\n" +
		"tfd:       12 events: 80000019 data: 000000000000000c  pos:0 ino:43b sdev:e\n" +
		"tfd:        8 events:       19 data:                8  pos:0 ino:2f sdev:8\n"
	for _, c := range []struct {
		info     string
		fd, edge int
		ok       bool
	}{
		{info, 8, 12, true},
		{info, 9, 12, false},
		{info[:len(info)-150], 8, 0, false},
		{"tfd: 8 events: 19\n", 8, 0, false}, // no gnet without its eventfd
		{"", 8, 0, false},
		{"tfd: x events: 19\ntfd:\n", 8, 0, false},
	} {
		if edge, ok := watches(c.info, c.fd); ok != c.ok || ok && edge != c.edge {
			t.Errorf("watches(%q, %d) = %d, %v; want %d, %v", c.info, c.fd, edge, ok, c.edge, c.ok)
		}
	}
}

// TestLingersUndisturbed has a loop linger for several times as long as Go's scheduler
// leaves a goroutine its processor: it is not asked for it, and another goroutine gets
// its turns on it.
func TestLingersUndisturbed(t *testing.T) {
	const slices = 5
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	p, level, _ := polled(t)
	s := &Shard{r: &Reactor{started: time.Now()}, direct: direct{poll: *p, linger: slices * lingerSlice}}
	var turns atomic.Int64
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-quit:
				return
			default:
				turns.Add(1)
				goyield()
			}
		}
	}()
	defer func() { <-ended }()
	defer close(quit)
	// A machine that is busy with others can keep a loop from its turn.
	for attempt := 1; ; attempt++ {
		from := turns.Load()
		began := time.Now()
		n := s.linger()
		had := turns.Load() - from
		if n == 0 && had >= slices {
			if took := time.Since(began); took < slices*lingerSlice {
				t.Errorf("lingered for %v, want %v", took, slices*lingerSlice)
			}
			break
		}
		if attempt == 100 {
			t.Fatalf("got %d and %d turns of another goroutine each time, in the end; want 0 and %d", n, had, slices)
		}
	}
	post(t, level)
	if n := s.linger(); n != 1 {
		t.Errorf("got %d with an event, want 1", n)
	}
}

// TestLingersLessInVain has gnet serve events that come one by one when nobody waits
// for them.
func TestLingersLessInVain(t *testing.T) {
	p, level, _ := polled(t)
	s := &Shard{r: &Reactor{}, wakeFD: -1, direct: direct{poll: *p, linger: time.Millisecond}}
	d := &s.direct
	looks := 0
	for range 2000 {
		if d.lingers.skip == 0 {
			looks++
		}
		s.served()
	}
	// 14 by the arithmetic, and those that a signal ended.
	if looks < 10 || looks > 100 {
		t.Errorf("lingered %d times after 2000 events with nothing behind them", looks)
	}
	d.lingers.skip = 0
	post(t, level) // which no connection has: it is gnet's
	s.served()
	if d.lingers != (attempt{}) {
		t.Errorf("%+v after an event had come, want nothing left out", d.lingers)
	}
}

// TestGathers has clients send one after the other while a loop rests for longer than
// that takes: it serves all of them after one rest. Others have the only processor
// meanwhile, and what the loop is rung for ends the rest.
func TestGathers(t *testing.T) {
	const rest = 500 * time.Millisecond
	before := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	h := newTestHandler()
	r := startReactor(t, Options{Loops: 1, Gather: rest}, h)
	var clients []*rawClient
	for range 8 {
		clients = append(clients, upgraded(t, r.Port()))
	}
	waitFor(t, "the clients to be open", func() bool { return len(h.all()) == len(clients) })
	say := func(i int) {
		if _, err := clients[i].nc.Write([]byte(text("x"))); err != nil {
			t.Error(err)
		}
	}
	hear := func(i int, want string) time.Time {
		if _, got, err := clients[i].next(); err != nil || string(got) != want {
			t.Errorf("client %d got %q, %v; want %q", i, got, err, want)
		}
		return time.Now()
	}
	// The answers of one rest come together: all before the last has waited as long
	// as the first.
	waitFor(t, "messages that came in one rest", func() bool {
		first := time.Now()
		var last time.Time
		for i := range clients {
			last = time.Now()
			say(i)
			time.Sleep(rest / 50)
		}
		heard := hear(0, "x")
		for i := 1; i < len(clients); i++ {
			hear(i, "x")
		}
		return heard.Sub(first) > rest/4 && heard.After(last) && time.Since(heard) < rest/4 || t.Failed()
	})
	begun := time.Now()
	for range 10 {
		runtime.GC()
	}
	if mean := time.Since(begun) / 10; mean > rest/5 {
		t.Errorf("a collection takes %v on average beside a loop that rests %v", mean, rest)
	}
	pushed := time.Duration(0)
	for range 50 {
		sent := time.Now()
		if err := r.Broadcast(codec.NewTextString("push"), nil); err != nil {
			t.Fatal(err)
		}
		for i := range clients {
			hear(i, "push")
		}
		pushed += time.Since(sent)
	}
	if mean := pushed / 50; mean > rest/8 {
		t.Errorf("a push waited %v on average for a loop that rests %v", mean, rest)
	}
}

// TestLeavesRests has a loop that rests for an hour, and that no clock wakes, do what
// gnet is told to: take a connection back, and stop.
func TestLeavesRests(t *testing.T) {
	r, _, _ := startProxied(t, Options{Loops: 1, Gather: time.Hour})
	s := (*r.shards.Load())[0]
	t.Cleanup(s.endRest)
	rests := func() {
		waitFor(t, "a rest", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.resting {
				s.armed = true // as if it had been rung for
			}
			return s.resting
		})
	}
	c := connect(t, r.Port(), 0)
	c.write(fmt.Sprintf(plainRequest, "/x"))
	c.expectBody("/x")
	rests()
	c.write(upgradeRequest)
	if got := c.status(); got != 101 {
		t.Fatalf("status %d, want 101", got)
	}
	waitFor(t, "gnet to be done", func() bool { return r.gnetDue.Load() == 0 })
	c.write(text("x")) // which gnet reads, since the loop has not rested again
	c.expect("x")
	rests()
	stopped := make(chan error)
	go func() { stopped <- r.Stop() }()
	select {
	case err := <-stopped:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(testPatience):
		t.Fatal("a loop that rests does not stop")
	}
}

// TestRestTimer has a timer end before it is waited for, and forget that it was due.
func TestRestTimer(t *testing.T) {
	var timer restTimer
	if err := timer.open(); err != nil {
		t.Fatal(err)
	}
	defer timer.close()
	timer.set(time.Hour)
	timer.end()
	timer.wait()
	timer.end()
	timer.set(100 * time.Millisecond)
	begun := time.Now()
	timer.wait()
	if rested := time.Since(begun); rested < 90*time.Millisecond {
		t.Errorf("rested %v of 100ms: it was due before", rested)
	}
}

// TestAttempts counts what is left out.
func TestAttempts(t *testing.T) {
	var a attempt
	tries := 0
	for range 1000 {
		if a.now() {
			tries++
			a.paid(false)
		}
	}
	if tries != 10 { // with 1, 3, 7, ... 255, 256 left out between them
		t.Errorf("tried %d times of 1000 in vain, want 10", tries)
	}
	for !a.now() {
	}
	a.paid(true)
	if !a.now() {
		t.Error("what was worth it is left out")
	}
}

// BenchmarkLook is what lingering adds to a batch of events.
func BenchmarkLook(b *testing.B) {
	for _, ready := range []bool{false, true} {
		b.Run(fmt.Sprint("ready=", ready), func(b *testing.B) {
			ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
			if err != nil {
				b.Fatal(err)
			}
			defer unix.Close(ep)
			fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
			if err != nil {
				b.Fatal(err)
			}
			defer unix.Close(fd)
			if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
				b.Fatal(err)
			}
			if ready {
				if _, err := unix.Write(fd, binary.NativeEndian.AppendUint64(nil, 1)); err != nil {
					b.Fatal(err)
				}
			}
			p := eventPoll{fd: ep, tasks: -1}
			b.ReportAllocs()
			for b.Loop() {
				p.wait(0)
			}
		})
	}
}
