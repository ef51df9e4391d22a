package local

import (
	"sync"
	"time"
)

// blockedAfter is how long a handler may take before it counts as waiting for
// event loops. Handing an operation over takes microseconds.
const blockedAfter = 10 * time.Millisecond

// An operation that was not handed over comes again after a pause that doubles.
const (
	redeliverMin = time.Millisecond
	redeliverMax = 100 * time.Millisecond
)

// deliver calls the handler until it has taken an operation over, or the bus is closed.
func (b *Bus) deliver(d delivery) {
	defer d.release()
	b.received.Add(1)
	b.busy.begin()
	defer b.busy.end()
	for pause := redeliverMin; ; pause = min(2*pause, redeliverMax) {
		if b.handler(b.ctx, d.from, decode(d.op)) == nil || !b.sleep(pause) {
			break
		}
	}
}

// sleep returns false when the bus was closed.
func (b *Bus) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-b.ctx.Done():
		return false
	}
}

// busy is the time for which a handler runs.
type busy struct {
	mu      sync.Mutex
	since   time.Time     // zero while it does not run
	blocked time.Duration // in runs that took too long, but for this one
}

func (b *busy) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since = time.Now()
}

func (b *busy) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if took := time.Since(b.since); took > blockedAfter {
		b.blocked += took
	}
	b.since = time.Time{}
}

// read tells whether the handler has been running for too long, and for how long
// it has done so in all.
func (b *busy) read() (now bool, whole time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.since.IsZero() {
		return false, b.blocked
	}
	took := time.Since(b.since)
	if took <= blockedAfter {
		return false, b.blocked
	}
	return true, b.blocked + took
}

// release tells the publisher that a delivery is done with.
func (d delivery) release() {
	if d.outbox != nil {
		d.outbox.release(d.publish)
	}
}
