package rabbitmq

import (
	"fmt"
	"sync"
	"time"
	"unsafe"

	"carillon/cluster"
)

// form is how a message is written.
type form uint8

const (
	formJSON   form = iota // for all nodes
	formBinary             // for carillon nodes
	forms
)

// message waits in the outbox until the broker has confirmed it.
type message struct {
	number    uint64 // its place in the order of the publisher, from 1
	key       string
	form      form
	mandatory bool
	rest      []byte // the body without the sender and the payload
	at        int    // where in rest the payload belongs
	payload   string // of the binary form; messages of one push to several nodes share it
	done      func(error)
	since     time.Time

	// Of the outbox:
	confirmed bool

	// Of the publisher's goroutine:
	sent     bool // on this connection or an earlier one
	returned bool // the broker has no queue for it
}

// messageCost is what a message costs beyond its bytes, so that many small ones
// are bounded too.
const messageCost = 256

// size is what the message costs without its payload.
func (m *message) size() int { return len(m.rest) + len(m.key) + messageCost }

// length is how long the body is without the sender.
func (m *message) length() int { return len(m.rest) + len(m.payload) }

// appendTo appends the body without the sender.
func (m *message) appendTo(dst []byte) []byte {
	dst = append(dst, m.rest[:m.at]...)
	dst = append(dst, m.payload...)
	return append(dst, m.rest[m.at:]...)
}

// text is a payload by where it is in memory, which tells whether it is shared.
type text struct {
	data *byte
	len  int
}

// outbox has what is published and not confirmed, in order. Any goroutine.
type outbox struct {
	maxBytes int
	maxAge   time.Duration
	wake     chan struct{} // has a token when there may be something to send
	drained  chan struct{} // closed when it is closed and empty

	mu       sync.Mutex
	messages []*message // from head on; the first is not confirmed
	head     int
	cursor   int          // index of the next to send on this connection
	waiting  int          // not confirmed
	bytes    int          // of those
	payloads map[text]int // how many of those have it
	number   uint64
	closed   bool

	published, confirmed, refused uint64
}

func newOutbox(maxBytes int, maxAge time.Duration) *outbox {
	return &outbox{maxBytes: maxBytes, maxAge: maxAge, payloads: make(map[text]int), wake: make(chan struct{}, 1), drained: make(chan struct{})}
}

// add appends a message; false when the outbox is closed.
func (o *outbox) add(m *message) bool {
	m.since = time.Now()
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return false
	}
	o.number++
	m.number = o.number
	o.messages = append(o.messages, m)
	o.charge(m)
	o.published++
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return true
}

// charge counts a message as waiting. A payload counts once, however many messages
// share it: it is in memory once, and admission to the outbox was asked for it once.
// Lock should be held.
func (o *outbox) charge(m *message) {
	o.waiting++
	o.bytes += m.size()
	if m.payload == "" {
		return
	}
	p := text{unsafe.StringData(m.payload), len(m.payload)}
	if o.payloads[p]++; o.payloads[p] == 1 {
		o.bytes += p.len
	}
}

// discharge ends what charge has begun. Lock should be held.
func (o *outbox) discharge(m *message) {
	o.waiting--
	o.bytes -= m.size()
	if m.payload == "" {
		return
	}
	p := text{unsafe.StringData(m.payload), len(m.payload)}
	if o.payloads[p]--; o.payloads[p] == 0 {
		delete(o.payloads, p)
		o.bytes -= p.len
	}
}

// admit returns an error when more may not be accepted.
func (o *outbox) admit() (err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.bytes >= o.maxBytes:
		err = fmt.Errorf("%w: %d bytes wait for the broker, as many as may", cluster.ErrOutboxFull, o.bytes)
	case o.waiting > 0:
		if age := time.Since(o.messages[o.head].since); age >= o.maxAge {
			err = fmt.Errorf("%w: the oldest message waits for the broker for %v, longer than %v",
				cluster.ErrOutboxFull, age.Round(time.Second), o.maxAge)
		}
	}
	if err != nil {
		o.refused++
	}
	return err
}

// next returns the next message to send, or nil when there is none, or when it is
// windowSize ahead of the first that is not confirmed: receivers could not tell
// that one from a duplicate any more.
func (o *outbox) next() *message {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cursor == len(o.messages) {
		return nil
	}
	m := o.messages[o.cursor]
	if m.number-o.messages[o.head].number >= windowSize {
		return nil
	}
	o.cursor++
	return m
}

// rewind begins a new connection: what is not confirmed is to be sent again.
func (o *outbox) rewind() {
	o.mu.Lock()
	defer o.mu.Unlock()
	kept := o.messages[:0]
	for _, m := range o.messages[o.head:] {
		if !m.confirmed {
			kept = append(kept, m)
		}
	}
	clear(o.messages[len(kept):])
	o.messages, o.head, o.cursor = kept, 0, 0
}

// confirm removes a message that was sent.
func (o *outbox) confirm(m *message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	m.confirmed = true
	o.discharge(m)
	o.confirmed++
	for o.head < len(o.messages) && o.messages[o.head].confirmed {
		o.messages[o.head] = nil
		o.head++
	}
	if o.head > windowSize && o.head > len(o.messages)/2 {
		n := copy(o.messages, o.messages[o.head:])
		clear(o.messages[n:])
		o.messages = o.messages[:n]
		o.cursor -= o.head
		o.head = 0
	}
	o.checkDrained()
}

// close lets nothing more in.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.checkDrained()
}

// Lock should be held.
func (o *outbox) checkDrained() {
	if !o.closed || o.waiting > 0 {
		return
	}
	select {
	case <-o.drained:
	default:
		close(o.drained)
	}
}

// abandon empties a closed outbox that nothing sends from any more, and returns what
// was in it.
func (o *outbox) abandon() []*message {
	o.rewind()
	o.mu.Lock()
	defer o.mu.Unlock()
	rest := o.messages
	o.messages, o.waiting, o.bytes = nil, 0, 0
	clear(o.payloads)
	return rest
}

func (o *outbox) stats(s *cluster.BusStats) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s.OutboxMessages, s.OutboxBytes, s.OutboxMaxBytes = o.waiting, o.bytes, o.maxBytes
	if o.waiting > 0 {
		s.OutboxAge = time.Since(o.messages[o.head].since)
	}
	s.Published, s.Confirmed, s.Refused = o.published, o.confirmed, o.refused
}
