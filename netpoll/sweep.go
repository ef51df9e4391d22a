package netpoll

import (
	"golang.org/x/sys/unix"

	"carillon/codec"
)

// hotSlot is what a sweep looks at for each connection: 16 bytes in one dense
// array, no pointer to follow.
type hotSlot struct {
	off   uint64 // position in the log up to which the connection was sent
	fd    int32  // -1: the slot is free or its socket is closed
	flags hotFlag
}

type hotFlag uint32

const (
	hotOpen    hotFlag = 1 << iota // takes broadcasts
	hotBlocked                     // the kernel takes no more for now
	hotDeflate                     // reads the log of compressed frames
)

const (
	logPlain = iota
	logDeflate
	logCount
)

func (h *hotSlot) log() int {
	if h.flags&hotDeflate != 0 {
		return logDeflate
	}
	return logPlain
}

const (
	// sweepSends is the number of sends in one slice of a sweep, some half a
	// millisecond; between slices the loop serves everything else. Going round
	// costs less than a per cent of that. With 256 the median heartbeat of a
	// bystander takes 6 ms during fan-out, with 64 it takes 2.5 ms.
	sweepSends = 64
	// sweepSendsMax is what a slice grows to when nothing came in for quietSlices
	// slices: each pause lets receivers fall asleep, whom the next sends have to
	// wake again. It makes lone broadcasts some 5 % cheaper.
	sweepSendsMax = 512
	quietSlices   = 32
	// sweepVisits bounds the slots looked at in one slice.
	sweepVisits = 8192
	// opSends is the number of operations in one slice, a frame or close for one
	// connection counting as one, and opConns the number of connections that
	// frames are gathered for: so many sends.
	opSends = 256
	opConns = sweepSends
)

// lap is the sweep under way. A lap visits every slot once; when it is over,
// every connection that is not blocked has got the log at least up to where its
// head was when the lap began (floor).
type lap struct {
	active bool
	cursor int
	left   int
	target [logCount]uint64
	floor  [logCount]uint64
}

// appendLog adds a broadcast to the logs, closing blocked connections that fall
// off the tail. It returns false, and does nothing, when the sweep must get on
// before there is room.
func (s *Shard) appendLog(f *codec.Frame) bool {
	frames := [logCount][]byte{f.Plain(), f.Plain()}
	if b := f.Deflated(); b != nil {
		frames[logDeflate] = b
	}
	for k, b := range frames {
		if s.readers[k] > 0 && s.lap.active && int(s.logs[k].head-s.lap.floor[k])+len(b) > s.logs[k].max {
			return false
		}
	}
	for k, b := range frames {
		if s.readers[k] == 0 {
			continue
		}
		l := &s.logs[k]
		if len(s.blocked) == 0 {
			s.tail[k] = noTail
		}
		for limit := l.head + uint64(len(b)-l.max); s.tail[k] < limit; {
			s.evict(k, limit)
		}
		l.append(b, min(s.tail[k], s.floor(k)))
	}
	if !s.lap.active {
		s.startLap()
	}
	return true
}

// floor returns the position that every connection of log k which is not blocked
// has got at least.
func (s *Shard) floor(k int) uint64 {
	if s.lap.active {
		return s.lap.floor[k]
	}
	return s.logs[k].head
}

// evict closes the blocked connections of log k whose backlog begins before
// limit, and finds the new tail.
func (s *Shard) evict(k int, limit uint64) {
	// Handler.Closed may write to connections of which some were looked at, and so
	// lower the tail again.
	s.tail[k] = noTail
	// Handler.Closed may close others of the list: it can shrink by more than one.
	for i := len(s.blocked) - 1; i >= 0; i = min(i, len(s.blocked)) - 1 {
		c := s.blocked[i]
		h := &s.hot[c.slot]
		if h.log() != k {
			continue
		}
		begin := h.off - uint64(c.out.bytes)
		if begin < limit {
			s.beginClose(c, codec.CloseTryAgainLater, reasonSlowConsumer, CauseSlowConsumer, true)
			continue
		}
		s.tail[k] = min(s.tail[k], begin)
	}
}

func (s *Shard) startLap() {
	for k := range s.logs {
		s.lap.floor[k] = s.lap.target[k]
		s.lap.target[k] = s.logs[k].head
	}
	// Each lap begins at slot 0: slots that are added under way lie behind the
	// last one, so the first left slots are those that were there.
	s.lap.cursor = 0
	s.lap.left = len(s.hot)
	s.lap.active = true
}

// sweep sends the log to the next connections, at most budget of them.
func (s *Shard) sweep(budget int) {
	if !s.lap.active {
		return
	}
	heads := [logCount]uint64{s.logs[logPlain].head, s.logs[logDeflate].head}
	if s.uring != nil {
		s.sweepRing(&heads, budget)
	} else {
		s.sweepPlain(&heads, budget)
	}
	if s.lap.left > 0 {
		return
	}
	s.lap.active = false
	behind := false
	for k := range s.logs {
		behind = behind || s.lap.target[k] != s.logs[k].head
	}
	if behind {
		s.startLap()
	}
}

// sweepPlain is a slice of the sweep with one system call for each send.
func (s *Shard) sweepPlain(heads *[logCount]uint64, budget int) {
	for visits := sweepVisits; s.lap.left > 0 && budget > 0 && visits > 0; visits-- {
		h := &s.hot[s.lap.cursor]
		slot := s.lap.cursor
		s.lap.cursor++
		s.lap.left--
		if h.flags&(hotOpen|hotBlocked) != hotOpen {
			continue
		}
		k := h.log()
		if h.off == heads[k] {
			continue
		}
		budget--
		l := &s.logs[k]
		b := l.segment(h.off, l.head)
		n, err := rawSend(h.fd, b)
		if n == len(b) && h.off+uint64(n) == l.head {
			h.off = l.head
			s.count.sent += uint64(n)
			continue
		}
		s.sweepRest(slot, n, err)
	}
}

// sweepRest goes on with a connection whose send in the sweep took n bytes, not
// all: the log wraps there, the kernel is full, or the connection is broken.
func (s *Shard) sweepRest(slot, n int, err error) {
	c := s.conns[slot]
	h := &s.hot[slot]
	before := h.off
	if n > 0 {
		s.count.sent += uint64(n)
		s.consume(c, h, n)
		if int(h.off)&(len(s.log(h).buf)-1) != 0 {
			s.block(c, before) // short, and not for the wrap
			return
		}
		s.flushFrom(c, before)
		return
	}
	switch err {
	case unix.EAGAIN:
		s.block(c, before)
	case unix.EINTR:
		s.flush(c)
	default:
		s.broken(c)
	}
}
