package local

import (
	"fmt"
	"sync"
	"time"

	"carillon/cluster"
)

// publication is an operation on its way to the members that it is for.
type publication struct {
	op     *cluster.Operation
	route  route
	node   string // of toNode
	done   func(error)
	size   int
	since  time.Time
	left   int  // members that have not handled it, and one while it is not taken over; guarded by outbox.mu
	closed bool // nothing is left; guarded by outbox.mu
}

// route is whom a publication is for.
type route uint8

const (
	toEveryone route = iota // nodes of the reference too
	toAll                   // carillon nodes
	toNode
)

// outbox accounts for what one bus has published and not every member concerned
// has handled. There is no broker to keep it, so it counts until then.
type outbox struct {
	mu         sync.Mutex
	waiting    []*publication // in the order of publishing; closed ones may be among them, never first
	messages   int
	bytes      int
	published  uint64
	confirmed  uint64
	unroutable uint64
	refused    uint64
}

func (o *outbox) add(p *publication) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p.left = 1
	o.waiting = append(o.waiting, p)
	o.messages++
	o.bytes += p.size
	o.published++
}

// divide makes p wait for n members more.
func (o *outbox) divide(p *publication, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p.left += n
}

// release tells that one of those that p waits for has done with it.
func (o *outbox) release(p *publication) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p.left--; p.left > 0 {
		return
	}
	p.closed = true
	p.op, p.done = nil, nil // it may wait here behind others
	o.messages--
	o.bytes -= p.size
	n := 0
	for n < len(o.waiting) && o.waiting[n].closed {
		o.waiting[n] = nil
		n++
	}
	o.waiting = o.waiting[n:]
	if len(o.waiting) == 0 {
		o.waiting = nil
	}
}

// finish counts what the hub has made of a publication.
func (o *outbox) finish(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		o.confirmed++
	} else {
		o.unroutable++
	}
}

func (o *outbox) admit(limit int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bytes < limit {
		return nil
	}
	o.refused++
	return fmt.Errorf("%w: %d bytes wait for other nodes", cluster.ErrOutboxFull, o.bytes)
}

// fill sets those of the numbers that the outbox knows.
func (o *outbox) fill(s *cluster.BusStats) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s.OutboxMessages, s.OutboxBytes = o.messages, o.bytes
	if len(o.waiting) > 0 {
		s.OutboxAge = time.Since(o.waiting[0].since)
	}
	s.Published, s.Confirmed, s.Unroutable, s.Refused = o.published, o.confirmed, o.unroutable, o.refused
}
