package faulty

import (
	"sync"
	"time"
)

// batchSize is how many bytes are written at once, unless one item has more.
const batchSize = 64 << 10

var batches = sync.Pool{New: func() any { b := make([]byte, 0, batchSize); return &b }}

// item is something to write.
type item struct {
	b      []byte // shared, not written to
	frames int64  // replies and deliveries in it
	pings  int
	due    time.Time // not before
	alone  bool      // in a write of its own
	end    ending
}

// ending is what happens after an item.
type ending uint8

const (
	goesOn      ending = iota
	endNow             // the socket is closed
	endAnswered        // … when the client has answered the close frame, or closeWait is over
	endReset           // RST
)

// enqueue has an item written after those before it. It does not block.
func (c *conn) enqueue(it item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.push(it)
}

// push is enqueue with c.mu held.
func (c *conn) push(it item) {
	if c.over {
		c.s.count.Undelivered.Add(it.frames)
		return
	}
	c.queue = append(c.queue, it)
	c.queued += len(it.b)
	c.over = it.end != goesOn
	if c.queued > c.s.opt.QueueBytes {
		c.over = true
		if !c.ending {
			c.ending = true
			c.s.count.Overflowed.Add(1)
		}
		c.cut(true)
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// write writes what is queued until the connection ends.
func (c *conn) write() {
	defer close(c.written)
	var batch []item
	for {
		if !c.waitDue() {
			return
		}
		waited := c.s.waitStall(c.done)
		batch = c.take(batch[:0], waited)
		if len(batch) > 0 && !c.writeBatch(batch) {
			return
		}
		clear(batch) // an idle connection keeps no frame
	}
}

// waitDue waits until the first item of the queue is due. It reports whether
// the connection is still open.
func (c *conn) waitDue() bool {
	for {
		c.mu.Lock()
		empty := len(c.queue) == 0
		var wait time.Duration
		if !empty {
			wait = time.Until(c.queue[0].due)
		}
		c.mu.Unlock()
		var at <-chan time.Time
		if !empty {
			if wait <= 0 {
				return true
			}
			at = time.After(wait)
		}
		select {
		case <-c.wake:
		case <-at:
		case <-c.done:
			return false
		}
	}
}

// take moves what is due, and fits into one write, into batch.
func (c *conn) take(batch []item, stalled bool) []item {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	n, size := 0, 0
	for n < len(c.queue) && !c.queue[n].due.After(now) {
		it := &c.queue[n]
		if n > 0 && (it.alone || c.queue[n-1].alone || size+len(it.b) > batchSize) {
			break
		}
		size += len(it.b)
		n++
	}
	if stalled {
		for i := 0; i < len(c.queue) && !c.queue[i].due.After(now); i++ {
			c.s.count.Stalled.Add(c.queue[i].frames)
		}
	}
	c.queued -= size
	if n == len(c.queue) {
		batch, c.queue = c.queue, batch
		return batch
	}
	batch = append(batch, c.queue[:n]...)
	clear(c.queue[:n])
	c.queue = c.queue[n:]
	return batch
}

// writeBatch writes items. It reports whether the connection goes on.
func (c *conn) writeBatch(batch []item) bool {
	b := batch[0].b
	if len(batch) > 1 {
		scratch := batches.Get().(*[]byte)
		defer batches.Put(scratch)
		b = (*scratch)[:0]
		for i := range batch {
			b = append(b, batch[i].b...)
		}
		*scratch = b
	}
	var err error
	if len(b) > 0 {
		_, err = c.nc.Write(b)
	}
	count := &c.s.count
	for i := range batch {
		if err != nil {
			count.Undelivered.Add(batch[i].frames)
			continue
		}
		count.Sent.Add(batch[i].frames)
		count.Pings.Add(int64(batch[i].pings))
		if batch[i].frames > 0 {
			count.SentBytes.Add(int64(len(batch[i].b)))
		}
	}
	if err != nil {
		c.vanish()
		return false
	}
	switch batch[len(batch)-1].end {
	case endNow:
		c.shut()
	case endReset:
		c.cut(true)
	case endAnswered:
		t := time.NewTimer(closeWait)
		defer t.Stop()
		select {
		case <-c.reading:
		case <-t.C:
		case <-c.done:
		}
		c.shut()
	default:
		return true
	}
	return false
}
