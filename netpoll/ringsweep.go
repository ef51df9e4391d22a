package netpoll

import "golang.org/x/sys/unix"

// uringSends is the most sends in one system call: as many as a slice of a sweep
// has. In rounds that took turns 512 at a time cost some per cent less than 64.
const uringSends = sweepSendsMax

// uringUnsent is the result of a send that was not tried.
const uringUnsent = -int32(unix.EINTR)

// ringSend is a send of the sweep that did not take all there was.
type ringSend struct {
	slot int32
	res  int32 // bytes sent, or the negative errno
}

// sweepRing is sweepPlain through io_uring. What a send took is noted for all of a
// batch before anything is done about those that need more: doing something can
// run Handler.Closed, which may close or write to others of the batch.
func (s *Shard) sweepRing(heads *[logCount]uint64, budget int) {
	for visits := sweepVisits; s.lap.left > 0 && budget > 0 && visits > 0 && s.uring != nil; {
		s.batched = s.batched[:0]
		for most := min(budget, uringSends); len(s.batched) < most && s.lap.left > 0 && visits > 0; visits-- {
			slot := s.lap.cursor
			h := &s.hot[slot]
			s.lap.cursor++
			s.lap.left--
			if h.flags&(hotOpen|hotBlocked) != hotOpen || h.off == heads[h.log()] {
				continue
			}
			s.uring.send(h.fd, s.log(h).segment(h.off, heads[h.log()]))
			s.batched = append(s.batched, int32(slot))
		}
		if len(s.batched) == 0 {
			return
		}
		budget -= len(s.batched)
		results, err := s.uring.submit()
		s.unfinished = s.unfinished[:0]
		for i, slot := range s.batched {
			h := &s.hot[slot]
			res := results[i]
			if res > 0 {
				s.count.sent += uint64(res)
				before := h.off
				h.off += uint64(res)
				if h.off == heads[h.log()] {
					continue
				}
				s.markFrame(h, s.queueOf(s.conns[slot]), before)
			}
			s.unfinished = append(s.unfinished, ringSend{slot, res})
		}
		if err != nil {
			s.opt.Logger.Warn("broadcasts go on without io_uring", "err", err)
			s.dropRing()
		}
		for _, u := range s.unfinished {
			s.sweepOn(u)
		}
	}
}

// sweepOn goes on with a connection whose send took less than all; by now it may
// have been closed, or its socket may have filled up otherwise.
func (s *Shard) sweepOn(u ringSend) {
	c := s.conns[u.slot]
	h := &s.hot[u.slot]
	if h.flags&(hotOpen|hotBlocked) != hotOpen {
		return
	}
	switch {
	case u.res > 0 && int(h.off)&(len(s.log(h).buf)-1) != 0, u.res == -int32(unix.EAGAIN):
		s.block(c, h.off)
	case u.res > 0, u.res == uringUnsent:
		s.flush(c) // it ended where the log wraps, or was not tried
	default:
		s.broken(c)
	}
}
