package netpoll

import (
	"time"

	"golang.org/x/sys/unix"

	"carillon/codec"
)

// A shard counts in ticks. It has three clocks: real ticks, by which the wheel
// turns; wall ticks, by which tokens expire, since somebody else's clock has set
// their end, and ours may be set right after the start or stand still while a
// machine is suspended; and stall-free ticks, which stand still while the process
// does. Silence of a client is measured on the last one, so a stop of the server
// (SIGSTOP, a starved machine, a handler that blocks the loop) never counts
// against a client.

const (
	// Tick is the finest resolution of a deadline.
	Tick = 100 * time.Millisecond
	// maxPeriod bounds how many ticks go by between two looks at the clock.
	maxPeriod = 10
	// maxStep is how many periods the stall-free clock follows the real one at a
	// time.
	maxStep = 3
)

// periodOf returns how many ticks may go by between two looks at the clock: a
// tenth of the shortest deadline. An idle process with deadlines of ten seconds
// and more wakes once a second instead of ten times, which is most of what it
// costs.
func periodOf(o *Options) uint32 {
	p := min(ticks(o.HandshakeTimeout), ticks(o.HeartbeatTimeout), 5*ticks(o.CloseTimeout))
	if o.PingInterval > 0 {
		p = min(p, ticks(o.PingInterval))
	}
	return max(1, min(p/10, maxPeriod))
}

// ticks converts a duration, rounded up, to ticks.
func ticks(d time.Duration) uint32 {
	return uint32((d + Tick - 1) / Tick)
}

// wallTick is the last wall tick before a time. They wrap around in 13 years.
func wallTick(t time.Time) uint32 { return uint32(t.UnixMilli() / Tick.Milliseconds()) }

// expiryOf converts the end of a token to the wall tick at which it has passed, which is
// not 0. It is at most six years away: beyond that, what is to come would have passed.
func expiryOf(t time.Time) uint32 {
	const most = 1<<31*Tick - time.Hour
	now := time.Now()
	d := min(max(t.Sub(now), -time.Hour), most)
	return max(1, wallTick(now.Add(d+Tick-1)))
}

// tick advances the shard's clocks and judges what has come up.
func (s *Shard) tick() {
	now := time.Now()
	s.wall = wallTick(now)
	real := uint32(now.Sub(s.r.started) / Tick)
	step := real - s.real
	if step == 0 {
		return
	}
	s.real = real
	s.now += min(step, maxStep*s.r.period)
	s.wheel.advance(real, s.due)
	s.drainStep()
	s.publish()
}

// schedule has c looked at after so many ticks.
func (s *Shard) schedule(c *Conn, after uint32) {
	s.wheel.schedule(c.slot, s.real+after)
}

func (s *Shard) onDue(slot uint32) {
	c := s.conns[slot]
	if c == nil {
		panic("BUG: a free slot is in the timing wheel")
	}
	if after := s.judge(c); after > 0 {
		s.schedule(c, after)
	}
}

// judge applies the deadlines of c and returns after how many ticks to look
// again, 0 for never.
func (s *Shard) judge(c *Conn) uint32 {
	switch c.state {
	case stateHandshake:
		left := left(s.now-c.since, s.handshakeTicks)
		if left > 0 {
			return left
		}
		if s.unread(c) {
			return 1
		}
		c.cause = CauseHandshakeTimeout
		s.doom(c)
		return 0
	case stateOpen:
		return s.judgeOpen(c)
	default:
		left := left(s.now-c.since, s.closeTicks)
		if left == 0 {
			s.doom(c)
		}
		return left
	}
}

func (s *Shard) judgeOpen(c *Conn) uint32 {
	silence := s.now - c.seen
	next := left(silence, s.heartbeatTicks)
	if next == 0 {
		if s.unread(c) {
			next = 1
		} else {
			s.beginClose(c, codec.CloseHeartbeatTimeout, reasonHeartbeat, CauseHeartbeatTimeout, false)
			return 0 // beginClose scheduled its own deadline
		}
	}
	if c.expires != 0 {
		if int32(s.wall-c.expires) >= 0 {
			s.beginClose(c, codec.CloseTokenExpired, reasonExpired, CauseTokenExpired, false)
			return 0
		}
		next = min(next, c.expires-s.wall)
	}
	if s.pingTicks > 0 {
		if wait := left(silence, s.pingTicks); wait > 0 {
			next = min(next, wait)
		} else if !c.has(flagPinged) {
			c.flags |= flagPinged
			s.writeNow(c, pingFrame, true)
			if c.state != stateOpen {
				return 0 // broken, or a slow consumer with a deadline of its own
			}
		}
	}
	return next
}

// pingFrame is an empty ping (RFC 6455 §5.5.2).
var pingFrame = []byte{0x89, 0}

func left(passed, limit uint32) uint32 {
	if passed >= limit {
		return 0
	}
	return limit - passed
}

// unread tells whether bytes of the client, or its FIN, wait in the kernel: they
// are read before the client is judged.
func (s *Shard) unread(c *Conn) bool {
	var b [1]byte
	_, _, err := unix.Recvfrom(int(s.hot[c.slot].fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err == nil
}

// checkNow judges every open connection now instead of when its time comes.
func (s *Shard) checkNow() {
	s.tick()
	for _, c := range s.conns {
		if c != nil && c.state == stateOpen {
			if after := s.judgeOpen(c); after > 0 {
				s.schedule(c, after)
			}
		}
	}
}
