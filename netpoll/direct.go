package netpoll

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lingerMost is how long a loop waits for the next event before it goes back to
	// gnet. While one waits with its processor, a thread of Go's runtime looks a
	// hundred times a second; when one goes to gnet and waits there, that thread looks
	// some sixty times within two milliseconds. So waiting pays from a few events a
	// second on.
	lingerMost = 96 * time.Millisecond
	// lingerSlice is what it waits at a time, and turnEvery how old its turn may be
	// then. A goroutine that keeps its processor for longer than the ten milliseconds
	// between two looks of that thread is sent a signal, and another thread is woken to
	// look for work, which together cost more than a heartbeat.
	lingerSlice = 8 * time.Millisecond
	turnEvery   = time.Millisecond
	// pauseMost bounds how many times that which was in vain several times is left out.
	pauseMost = 256
	// directLooks is after how many looks gnet has its turn: what it has taken from
	// its poller and not carried out waits until then.
	directLooks = 64
	// gatherLooks is that where each look may be a rest.
	gatherLooks = 8
	// lostAtOnce is how many connections whose clients are gone are closed in one
	// look, and in one slice of the rest. Closing takes some ten times as long as
	// finding out, and when all clients of a network go at once, those of others
	// wait for as many as are closed in one go.
	lostAtOnce = 32
	// inputSize is the most that is read from a socket at once, as in gnet.
	inputSize = 64 << 10
)

// direct serves the loop's sockets on gnet's own epoll descriptor, within one of
// gnet's callbacks, as long as nothing but them is ready: what is accepted,
// registered or queued for gnet is left to it.
//
// gnet's poller looks for more when it has served what was there, has Go's
// scheduler run other goroutines, and waits in a system call that gives its
// processor away: each wake-up then costs a search for a processor and wakes
// threads that look for work in vain. Here a loop waits with its processor, as a
// loop in C does, and there is one look for a batch, one way from a descriptor to
// its connection and one from there to the frame. Loop only.
type direct struct {
	poll    eventPoll
	linger  time.Duration // what a look waits; 0 where others have no processor
	gather  time.Duration // what the loop rests when there is nothing; 0: it lingers
	timer   restTimer
	wake    int // gnet's end of the wake socket
	input   []byte
	touched uint32 // keeps the compiler from leaving fetch out

	turn      time.Duration // when the loop's turn of Go's scheduler began, since the reactor did
	gnetsTurn bool          // until the wake socket, which was rung behind gnet's events
	lost      int           // connections that this look has lost
	lingers   attempt       // to wait for an event: else gnet serves it
}

// attempt is something that costs time when it is in vain, and is then left out,
// longer each time.
type attempt struct {
	pause int // how many times it is left out
	skip  int // of them, those still to come
}

// now tells whether to try.
func (a *attempt) now() bool {
	if a.skip > 0 {
		a.skip--
		return false
	}
	return true
}

// paid notes whether it was worth it.
func (a *attempt) paid(worth bool) {
	if worth {
		a.pause = 0
	} else {
		a.pause = min(2*a.pause+1, pauseMost)
		a.skip = a.pause
	}
}

// setSlot notes which slot of its loop's a descriptor's connection has, plus one; 0
// for none. Descriptors wander from loop to loop, so the table is that of all. The
// loop of the connection.
func (r *Reactor) setSlot(fd int32, slot uint32) {
	if int(fd) < len(r.slots) {
		r.slots[fd].Store(slot)
	}
}

// connOf returns the connection of the loop's that has a descriptor, or nil. One that
// was closed since the loop looked may be another loop's by now. Loop only.
func (s *Shard) connOf(fd int) *Conn {
	if fd >= len(s.r.slots) {
		return nil
	}
	slot := int(s.r.slots[fd].Load()) - 1
	if slot < 0 || slot >= len(s.hot) || int(s.hot[slot].fd) != fd {
		return nil
	}
	return s.conns[slot]
}

// begin has the loop, which watches fd, its wake socket, serve its sockets by
// itself. Loop only.
func (s *Shard) begin(fd int) {
	d := &s.direct
	if err := d.poll.find(fd); err != nil {
		s.opt.Logger.Debug("the event loop leaves reading to gnet", "err", err)
		return
	}
	d.wake = fd
	d.input = make([]byte, inputSize)
	if s.r.lingers {
		d.linger = lingerMost
	}
	if s.opt.Gather > 0 {
		if err := d.timer.open(); err != nil {
			s.opt.Logger.Warn("the event loop does not gather messages", "err", err)
			return
		}
		d.gather = s.opt.Gather
	}
}

// served goes on by itself after gnet had the loop serve an event. Loop only.
func (s *Shard) served() {
	d := &s.direct
	if d.gnetsTurn || !d.poll.found() || s.r.gnetDue.Load() > 0 || d.gather == 0 && !d.lingers.now() {
		return
	}
	looks := directLooks
	if d.gather > 0 {
		looks = gatherLooks
	}
	for range looks {
		n := s.look()
		switch {
		case n < 0 && d.poll.found(): // a signal, by which Go's scheduler asks for the processor
			continue
		case n < 0:
			return
		case d.gather > 0 && n == 0:
			s.yield() // and come back: gnet would wait in a system call
			return
		case d.gather == 0 && d.linger > 0:
			d.lingers.paid(n > 0)
		}
		if n == 0 {
			return
		}
		ours := s.serve(n)
		if ours < n {
			if ours > 0 {
				s.yield()
			}
			return
		}
	}
	s.yield()
}

// look returns the number of events that are there, or that come while the loop
// rests or lingers.
func (s *Shard) look() int {
	d := &s.direct
	if d.gather == 0 && d.linger > 0 {
		return s.linger()
	}
	if n := d.poll.wait(0); n != 0 || d.gather == 0 {
		return n
	}
	return s.rest()
}

// linger waits for an event with the loop's processor, and begins a new turn from
// time to time, so that nobody asks for it.
func (s *Shard) linger() int {
	d := &s.direct
	for left := d.linger; ; left -= lingerSlice {
		n := d.poll.wait(min(left, lingerSlice))
		if at := time.Since(s.r.started); at-d.turn >= turnEvery {
			goyield()
			d.turn = at
		}
		if n != 0 || left <= lingerSlice {
			return n
		}
	}
}

// rest waits for as long as messages are gathered, or until somebody rings or gnet
// is due, and returns the number of events that are there then.
func (s *Shard) rest() int {
	d := &s.direct
	d.timer.set(d.gather)
	s.setResting(true)
	// Who has rung before did not end the rest.
	if n := d.poll.wait(0); n != 0 || s.r.gnetDue.Load() > 0 {
		s.setResting(false)
		return n
	}
	d.timer.wait()
	s.setResting(false)
	return d.poll.wait(0)
}

func (s *Shard) setResting(v bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resting = v
}

// endRest has a loop that rests look at once. Any goroutine.
func (s *Shard) endRest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.resting {
		s.direct.timer.end()
	}
}

// yield lets gnet serve what is ready now. The byte in the wake socket comes behind
// that, so that gnet does not find sockets that have been read meanwhile.
func (s *Shard) yield() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wakeFD >= 0 {
		_, _ = unix.Write(s.wakeFD, wakeByte)
		s.direct.gnetsTurn = true
	}
}

// woken runs a slice of the shard's work for the wake socket. What runs there is
// our own, but for Handler.Closed, which is guarded.
func (s *Shard) woken() {
	s.direct.gnetsTurn = false
	s.run()
}

// serve serves n events and returns how many of them were not gnet's.
func (s *Shard) serve(n int) (ours int) {
	d := &s.direct
	d.lost = 0
	s.fetch(n)
	for i := range n {
		switch fd, readable := d.poll.event(i); {
		case !readable:
		case fd == d.wake:
			_, _ = rawRecv(int32(fd), d.input)
			s.woken()
			ours++
		default:
			if c := s.connOf(fd); c != nil && s.read(int32(fd), c) {
				ours++
			}
		}
	}
	return ours
}

// fetch touches what reading n events will: memory that has gone cold between two
// messages of a connection comes for all of them at once, and not in the middle of
// each, where the processor waits for it.
func (s *Shard) fetch(n int) {
	sum := uint32(0)
	for i := range n {
		fd, _ := s.direct.poll.event(i)
		if c := s.connOf(fd); c != nil {
			sum += c.seen + uint32(c.state)
		}
	}
	s.direct.touched = sum
}

// read serves a socket that can be read; not when gnet has bytes that came before.
func (s *Shard) read(fd int32, c *Conn) bool {
	if c.has(flagBuffered) {
		return false
	}
	n, err := rawRecv(fd, s.direct.input)
	switch {
	case n > 0:
		s.take(c, s.direct.input[:n])
	case err == unix.EAGAIN || err == unix.EINTR:
	default:
		s.lose(c, err)
	}
	return true
}

// lose closes a connection whose client is gone, now or soon: err is nil when it
// said so.
func (s *Shard) lose(c *Conn, err error) {
	defer s.guard(nil)
	if err == nil && c.cause == CauseNone {
		c.cause = CauseEOF
	}
	d := &s.direct
	if d.lost++; d.lost > lostAtOnce && d.poll.forget(s.hot[c.slot].fd) {
		s.lost = append(s.lost, c)
		s.mu.Lock()
		s.arm()
		s.mu.Unlock()
		return
	}
	s.broken(c)
	s.reap()
}

// closeLost closes some of the connections that were to be closed soon. Until then
// they are as those whose client has gone and has not been heard of.
func (s *Shard) closeLost() {
	for range min(len(s.lost), lostAtOnce) {
		last := len(s.lost) - 1
		c := s.lost[last]
		s.lost[last] = nil
		s.lost = s.lost[:last]
		// Something else may have closed it meanwhile, and trim may have taken its slot.
		if int(c.slot) < len(s.conns) && s.conns[c.slot] == c {
			s.direct.poll.remember(s.hot[c.slot].fd)
			s.broken(c)
		}
	}
}
