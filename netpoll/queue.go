package netpoll

import (
	"context"
	"errors"
	"sync/atomic"

	"carillon/codec"
)

// What handing an operation to the loops can answer.
var (
	// ErrQueueFull means that a loop has as much to do as it may hold; try later.
	ErrQueueFull = errors.New("netpoll: queue of the event loop is full")
	// ErrTooLarge means that a frame is over Options.MaxOutbound.
	ErrTooLarge = errors.New("netpoll: frame is larger than the outbound bound")
	// ErrStopped means that the reactor does not run.
	ErrStopped = errors.New("netpoll: reactor is not running")
)

// Receipt counts what the loops did with an operation. Make one with
// NewReceipt, hand it to one Reactor call, then Wait; a call that returns an
// error has used it up, too. Any goroutine.
type Receipt struct {
	parts     atomic.Int32
	delivered atomic.Int64
	done      chan struct{}
}

// NewReceipt returns a Receipt for one operation.
func NewReceipt() *Receipt { return &Receipt{done: make(chan struct{})} }

// Wait returns the number of connections that the operation reached, once all
// loops have carried it out; before that it returns ctx's error and the number
// so far. Any goroutine.
func (r *Receipt) Wait(ctx context.Context) (int, error) {
	select {
	case <-r.done:
		return int(r.delivered.Load()), nil
	case <-ctx.Done():
		return int(r.delivered.Load()), ctx.Err()
	}
}

func (r *Receipt) expect(parts int) {
	if r == nil {
		return
	}
	r.parts.Store(int32(parts))
	if parts == 0 {
		close(r.done)
	}
}

// refuse finishes the receipt of an operation that no loop gets.
func (r *Receipt) refuse(err error) error {
	r.expect(0)
	return err
}

func (r *Receipt) add(n int) {
	if r != nil {
		r.delivered.Add(int64(n))
	}
}

func (r *Receipt) finish() {
	if r != nil && r.parts.Add(-1) == 0 {
		close(r.done)
	}
}

type opKind uint8

const (
	opBroadcast opKind = iota
	opSend
	opSendMany
	opClose
	opCloseMany
	opCall
)

// op is one operation of another goroutine for a shard.
type op struct {
	kind    opKind
	cause   Cause
	code    codec.CloseCode
	h       Handle
	frame   *codec.Frame
	many    []Handle
	reason  string
	call    func(*Shard)
	receipt *Receipt
}

func (o *op) bytes() int {
	n := 8 * len(o.many)
	if o.frame != nil {
		n += len(o.frame.Plain())
	}
	return n
}

// push hands operations to the shard, all or none, and wakes its loop when it
// sleeps. Any goroutine.
func (s *Shard) push(o op) error {
	n := o.bytes()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return ErrStopped
	}
	if s.full(n) {
		s.refused.Add(1)
		return ErrQueueFull
	}
	s.depth.Add(1)
	s.depthBytes.Add(int64(n))
	s.queue = append(s.queue, o)
	s.arm()
	return nil
}

// full tells whether push would refuse an operation of n bytes now. One that alone
// is over the bound has to wait for all others, and not for ever. Any goroutine.
func (s *Shard) full(n int) bool {
	queued := s.depthBytes.Load()
	return s.depth.Load() >= int64(s.opt.MaxQueued) || queued > 0 && queued+int64(n) > int64(s.opt.MaxQueuedBytes)
}

// arm wakes the loop unless it is awake already; s.mu is held.
func (s *Shard) arm() {
	if !s.armed && s.wakeFD >= 0 {
		s.armed = true
		s.ring()
	}
}

// runOps carries out queued operations, at most budget sends and closes.
func (s *Shard) runOps(budget int) {
	for s.next < len(s.batch) && budget > 0 && len(s.dirty) < opConns {
		o := &s.batch[s.next]
		switch o.kind {
		case opBroadcast:
			if !s.appendLog(o.frame) {
				s.flushDirty()
				return // the sweep has to get on first
			}
			o.receipt.add(s.open)
			budget--
		case opSend:
			s.deliver(o, o.h)
			budget--
		case opClose:
			s.kick(o, o.h)
			budget--
		case opSendMany, opCloseMany:
			for ; s.nextMany < len(o.many) && budget > 0 && len(s.dirty) < opConns; budget-- {
				if o.kind == opSendMany {
					s.deliver(o, o.many[s.nextMany])
				} else {
					s.kick(o, o.many[s.nextMany])
				}
				s.nextMany++
			}
			if s.nextMany < len(o.many) {
				s.flushDirty()
				return
			}
			s.nextMany = 0
		case opCall:
			o.call(s)
			budget--
		}
		o.receipt.finish()
		s.depth.Add(-1)
		s.depthBytes.Add(-int64(o.bytes()))
		*o = op{}
		s.next++
	}
	s.flushDirty()
}

// find returns the connection of a handle, nil when it is gone.
func (s *Shard) find(h Handle) *Conn {
	if slot := h.slot(); int(slot) < len(s.conns) {
		if c := s.conns[slot]; c != nil && s.gens[slot] == h.gen() {
			return c
		}
	}
	return nil
}

func (s *Shard) deliver(o *op, h Handle) {
	c := s.find(h)
	if c == nil || c.state != stateOpen {
		return
	}
	o.receipt.add(1)
	s.enqueue(c, c.variant(o.frame), 0, true)
	if !c.has(flagDirty) {
		c.flags |= flagDirty
		s.dirty = append(s.dirty, c)
	}
}

func (s *Shard) kick(o *op, h Handle) {
	c := s.find(h)
	if c == nil || c.state != stateOpen {
		return
	}
	o.receipt.add(1)
	s.beginClose(c, o.code, o.reason, o.cause, false)
}

// flushDirty sends what a batch queued: one write for several frames.
func (s *Shard) flushDirty() {
	for i, c := range s.dirty {
		c.flags &^= flagDirty
		if s.conns[c.slot] == c {
			s.flush(c)
		}
		s.dirty[i] = nil
	}
	s.dirty = s.dirty[:0]
}
