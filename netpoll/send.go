package netpoll

import (
	"bytes"

	"golang.org/x/sys/unix"

	"carillon/codec"
)

const (
	// scratchSize is the most that several pieces are gathered into for one send.
	scratchSize = 64 << 10
	// maxScratch bounds a buffer that a shard keeps for reuse.
	maxScratch = 256 << 10
	// corkLimit flushes the replies to one read before they grow further.
	corkLimit = 32 << 10
	// copySize is the length up to which copies that wait are put together.
	copySize = 4 << 10
)

// outQueue holds what the kernel did not take from a connection, or what a batch
// gathers for it. Queues are pooled by the shard; a connection at rest has none.
type outQueue struct {
	items []outItem
	first int // items before it were sent
	skip  int // bytes of items[first] that were sent
	bytes int // bytes that remain
	// end is where the log frame ends that was sent in part; no greater than the
	// connection's offset when none was.
	end uint64
	// detached: the log is not sent any more, only the items.
	detached bool
	copied   bool // the last of items is a copy of ours
}

// outItem is bytes that follow the log's bytes before pos.
type outItem struct {
	b   []byte
	pos uint64
}

func (q *outQueue) front() *outItem {
	if q == nil || q.first == len(q.items) {
		return nil
	}
	return &q.items[q.first]
}

// add puts bytes behind the others that follow the log's bytes before pos. Those that
// are not shared are copied, to the end of the copy before them when it is small: a
// pong has two bytes, and an item of its own would cost more than twenty times that.
func (q *outQueue) add(b []byte, pos uint64, shared bool) {
	if !shared {
		last := len(q.items) - 1
		// Not to one that was sent in part, of which a close would send all the rest.
		if q.copied && last >= q.first && (last > q.first || q.skip == 0) {
			if it := &q.items[last]; it.pos == pos && len(it.b)+len(b) <= copySize {
				it.b = append(it.b, b...)
				return
			}
		}
		b = bytes.Clone(b)
	}
	q.makeRoom()
	q.items = append(q.items, outItem{b, pos})
	q.copied = !shared
}

// makeRoom takes away what was sent when the array would have to grow and that is
// half of it: a queue that is never empty would else grow for ever.
func (q *outQueue) makeRoom() {
	if q.first == 0 || len(q.items) < cap(q.items) || q.first < len(q.items)/2 {
		return
	}
	n := copy(q.items, q.items[q.first:])
	clear(q.items[n:])
	q.items, q.first = q.items[:n], 0
}

func (s *Shard) queueOf(c *Conn) *outQueue {
	if c.out == nil {
		if n := len(s.outPool); n > 0 {
			c.out = s.outPool[n-1]
			s.outPool = s.outPool[:n-1]
		} else {
			c.out = new(outQueue)
		}
	}
	return c.out
}

func (s *Shard) releaseQueue(c *Conn) {
	q := c.out
	if q == nil {
		return
	}
	c.out = nil
	s.outBytes -= q.bytes
	clear(q.items)
	*q = outQueue{items: q.items[:0]}
	if cap(q.items) <= 64 && len(s.outPool) < 1024 {
		s.outPool = append(s.outPool, q)
	}
}

func (s *Shard) log(h *hotSlot) *broadcastLog { return &s.logs[h.log()] }

// pending returns the bytes that wait for c.
func (s *Shard) pending(c *Conn) int {
	h := &s.hot[c.slot]
	n := 0
	if c.out != nil {
		n = c.out.bytes
		if c.out.detached {
			return n
		}
	}
	return n + int(s.log(h).head-h.off)
}

// write sends bytes of whole frames to c, after everything that waits for it.
// Bytes that are not shared are copied when they have to wait.
func (s *Shard) write(c *Conn, b []byte, shared bool) {
	if c.state != stateOpen {
		return
	}
	if s.corked == c {
		s.cork = append(s.cork, b...)
		if len(s.cork) >= corkLimit {
			s.uncork()
			s.corked = c
		}
		return
	}
	s.writeNow(c, b, shared)
}

func (s *Shard) writeNow(c *Conn, b []byte, shared bool) {
	h := &s.hot[c.slot]
	if c.out == nil && h.flags&hotBlocked == 0 && h.off == s.log(h).head {
		n, err := sendRetry(h.fd, b)
		s.count.sent += uint64(n)
		if n == len(b) {
			return
		}
		if err != nil && err != unix.EAGAIN {
			s.broken(c)
			return
		}
		s.enqueue(c, b, n, shared)
		if c.state == stateOpen {
			s.block(c, h.off)
		}
		return
	}
	s.enqueue(c, b, 0, shared)
	s.flush(c)
}

// enqueue puts bytes behind everything that waits for c; the first skip bytes
// have been sent. Bytes that are shared are kept, others copied.
func (s *Shard) enqueue(c *Conn, b []byte, skip int, shared bool) {
	if c.state != stateOpen {
		return
	}
	n := len(b) - skip
	if p := s.pending(c); p > 0 && p+n > s.opt.MaxOutbound {
		s.flush(c) // it may only be that the sweep has not come by
		if c.state != stateOpen {
			return
		}
		if p = s.pending(c); p > 0 && p+n > s.opt.MaxOutbound {
			s.beginClose(c, codec.CloseTryAgainLater, reasonSlowConsumer, CauseSlowConsumer, true)
			return
		}
	}
	h := &s.hot[c.slot]
	q := s.queueOf(c)
	if q.first == len(q.items) {
		q.skip = skip
	}
	q.add(b, s.log(h).head, shared)
	q.bytes += n
	s.outBytes += n
	if h.flags&hotBlocked != 0 {
		s.lowerTail(h, q)
	}
}

// uncork sends the replies that a read produced in one write.
func (s *Shard) uncork() {
	c := s.corked
	s.corked = nil
	if c == nil || len(s.cork) == 0 {
		return
	}
	b := s.cork
	s.cork = s.cork[:0]
	if c.state == stateOpen {
		s.writeNow(c, b, false)
	}
	if cap(s.cork) > maxScratch {
		s.cork = nil
	}
}

// flush sends what waits for c until nothing is left or the kernel takes no more.
func (s *Shard) flush(c *Conn) { s.flushFrom(c, s.hot[c.slot].off) }

// flushFrom is flush for a connection that has got a part of the log from
// position from on in the same go; from is where a frame ends.
func (s *Shard) flushFrom(c *Conn, from uint64) {
	h := &s.hot[c.slot]
	if h.flags&hotBlocked != 0 || c.state != stateOpen && c.state != stateClosing || c.has(flagDoomed) {
		return
	}
	for {
		b := s.piece(c, h)
		if len(b) == 0 {
			break
		}
		n, err := sendRetry(h.fd, b)
		if n > 0 {
			s.count.sent += uint64(n)
			s.consume(c, h, n)
		}
		if n == len(b) {
			continue
		}
		if err != nil && err != unix.EAGAIN {
			s.broken(c)
			return
		}
		s.block(c, from)
		return
	}
	s.releaseQueue(c)
	if c.state == stateClosing {
		s.halfClose(c)
	}
}

// piece returns the next bytes to send to c: one piece as it lies, or several
// gathered into the scratch buffer.
func (s *Shard) piece(c *Conn, h *hotSlot) []byte {
	l := s.log(h)
	q := c.out
	front := q.front()
	if front == nil {
		if q != nil && q.detached || h.off == l.head {
			return nil
		}
		return l.segment(h.off, l.head)
	}
	single := q.first+1 == len(q.items)
	if q.detached {
		if single || len(front.b)-q.skip >= scratchSize {
			return front.b[q.skip:]
		}
	} else if h.off >= front.pos && (single && h.off == l.head || len(front.b)-q.skip >= scratchSize) {
		return front.b[q.skip:]
	}

	buf := s.scratch[:0]
	off, skip := h.off, q.skip
	for i := q.first; i < len(q.items) && len(buf) < scratchSize; i++ {
		it := &q.items[i]
		if !q.detached && off < it.pos {
			to := min(it.pos, off+uint64(scratchSize-len(buf)))
			buf = l.copyRange(buf, off, to)
			off = to
			if off < it.pos {
				break
			}
		}
		part := it.b[skip:]
		if room := scratchSize - len(buf); len(part) > room {
			buf = append(buf, part[:room]...)
			break
		}
		buf = append(buf, part...)
		skip = 0
		if i+1 == len(q.items) && !q.detached {
			buf = l.copyRange(buf, off, min(l.head, off+uint64(scratchSize-len(buf))))
		}
	}
	s.scratch = buf
	return buf
}

// consume notes that the next n bytes for c were sent.
func (s *Shard) consume(c *Conn, h *hotSlot, n int) {
	l := s.log(h)
	q := c.out
	for n > 0 {
		front := q.front()
		if front != nil && (q.detached || h.off >= front.pos) {
			m := min(n, len(front.b)-q.skip)
			n -= m
			q.skip += m
			q.bytes -= m
			s.outBytes -= m
			if q.skip == len(front.b) {
				*front = outItem{}
				q.first++
				q.skip = 0
			}
			continue
		}
		upto := l.head
		if front != nil {
			upto = front.pos
		}
		m := min(uint64(n), upto-h.off)
		n -= int(m)
		h.off += m
	}
	if q != nil && q.first == len(q.items) {
		q.items = q.items[:0]
		q.first = 0
	}
}

// block notes that the kernel takes no more for c, and asks to be told when it
// does. from is the log position at which the last send began.
func (s *Shard) block(c *Conn, from uint64) {
	h := &s.hot[c.slot]
	q := s.queueOf(c)
	h.flags |= hotBlocked
	if !q.detached {
		s.markFrame(h, q, from)
		c.listed = int32(len(s.blocked))
		s.blocked = append(s.blocked, c)
		s.lowerTail(h, q)
	}
	s.count.blocked++
	if err := s.r.watcher.watch(h.fd, c.Handle()); err != nil {
		s.broken(c)
		return
	}
	if !q.detached && h.off < s.log(h).head && s.pending(c) > s.opt.MaxOutbound {
		// Frames of its own and broadcasts that one batch brought.
		s.beginClose(c, codec.CloseTryAgainLater, reasonSlowConsumer, CauseSlowConsumer, true)
	}
}

// lowerTail notes where the backlog of a blocked connection begins: its own
// bytes count like so many more of the log, so that both together are bounded.
func (s *Shard) lowerTail(h *hotSlot, q *outQueue) {
	k := h.log()
	s.tail[k] = min(s.tail[k], h.off-uint64(q.bytes))
}

// markFrame finds the end of the log frame that was sent in part, so that a slow
// consumer can be closed at a frame boundary.
func (s *Shard) markFrame(h *hotSlot, q *outQueue, from uint64) {
	l := s.log(h)
	pos := max(from, q.end)
	var header [codec.MaxServerHeader]byte
	for pos < h.off {
		b := l.copyRange(header[:0], pos, min(l.head, pos+codec.MaxServerHeader))
		n, ok := codec.FrameLen(b)
		if !ok {
			panic("BUG: broadcast log holds a broken frame")
		}
		pos += uint64(n)
	}
	q.end = pos
}

// unlist takes c out of the list of blocked connections.
func (s *Shard) unlist(c *Conn) {
	i := c.listed
	if i < 0 {
		return
	}
	last := len(s.blocked) - 1
	moved := s.blocked[last]
	s.blocked[i] = moved
	moved.listed = i
	s.blocked[last] = nil
	s.blocked = s.blocked[:last]
	c.listed = -1
}

// resume goes on with a connection whose socket takes bytes again.
func (s *Shard) resume(h Handle) {
	c := s.find(h)
	if c == nil {
		return
	}
	s.hot[c.slot].flags &^= hotBlocked
	s.unlist(c)
	s.flush(c)
}

// detach cuts c off the log: what it still has to get, all of it or only the
// rest of a frame that was sent in part, becomes its own, followed by last.
func (s *Shard) detach(c *Conn, dropPending bool, last []byte) {
	h := &s.hot[c.slot]
	l := s.log(h)
	q := s.queueOf(c)
	var rest []byte
	switch {
	case !dropPending:
		off, skip := h.off, q.skip
		for ; q.first < len(q.items); q.first++ {
			it := &q.items[q.first]
			if off < it.pos {
				rest = l.copyRange(rest, off, it.pos)
				off = it.pos
			}
			rest = append(rest, it.b[skip:]...)
			skip = 0
		}
		rest = l.copyRange(rest, off, l.head)
	case q.skip > 0:
		rest = append(rest, q.items[q.first].b[q.skip:]...)
	case q.end > h.off:
		rest = l.copyRange(rest, h.off, q.end)
	}
	s.unlist(c)
	h.flags &^= hotOpen
	rest = append(rest, last...)
	s.outBytes += len(rest) - q.bytes
	clear(q.items)
	*q = outQueue{items: append(q.items[:0], outItem{b: rest}), bytes: len(rest), detached: true}
}

// sendRetry is one send, again when a signal interrupted it.
func sendRetry(fd int32, b []byte) (int, error) {
	for {
		n, err := rawSend(fd, b)
		if err != unix.EINTR {
			return n, err
		}
	}
}
