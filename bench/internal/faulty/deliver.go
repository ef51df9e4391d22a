package faulty

import "time"

// deliver sends a message to a connection, or does with it what the faults say.
// It does not block.
func (s *Server) deliver(c *conn, m *message) {
	f := s.faults.Load()
	s.count.Due.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over { // no frame, no fault
		s.count.Undelivered.Add(1)
		return
	}
	it := item{b: m.frames, frames: 1, pings: m.pings}
	if f.Delay > 0 {
		it.due = time.Now().Add(f.Delay)
	}
	copies, hold := 1, false
	switch {
	case f.drop.hits(f.DropEvery):
		s.count.Dropped.Add(1)
		return
	case f.duplicate.hits(f.DuplicateEvery):
		s.count.Duplicated.Add(1)
		copies = 2
	case f.corrupt.hits(f.CorruptEvery):
		s.count.Corrupted.Add(1)
		it.b, it.pings = m.corrupted(f.CorruptOffset), 0
	case f.violate.hits(f.ViolateEvery):
		s.count.Violations.Add(1)
		it.b, it.pings = m.violating(f.Violation), 0
	default:
		hold = f.swaps.hits(f.SwapEvery)
	}

	if hold && c.hold(it, f.SwapWait) {
		return
	}
	for range copies {
		c.push(it)
	}
	if c.held != nil {
		s.count.Swapped.Add(1)
		c.releaseHeld(it.due)
	}
	c.frames += int64(copies)
	if f.closes.hits(f.Close.Every) || f.Close.Random > 0 && c.reachedItsEnd(f.Close.Random) {
		c.finish(f.Close)
	}
}

// hold keeps a frame back until the next one, unless one is kept already.
// With c.mu held.
func (c *conn) hold(it item, wait time.Duration) bool {
	if c.held != nil {
		return false
	}
	c.held = &it
	c.s.count.Held.Add(1)
	held := c.held
	c.heldTimer = time.AfterFunc(wait, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.held == held {
			c.s.count.Late.Add(1)
			c.releaseHeld(held.due)
		}
	})
	return true
}

// releaseHeld sends the frame that was kept back, not before due. With c.mu held.
func (c *conn) releaseHeld(due time.Time) {
	it := *c.held
	c.held = nil
	c.heldTimer.Stop()
	c.s.count.Held.Add(-1)
	it.due = due
	c.push(it)
}
