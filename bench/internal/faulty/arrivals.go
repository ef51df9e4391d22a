package faulty

import (
	"slices"
	"sync/atomic"
	"time"
)

// arrivals keeps when the first messages came, without a lock.
type arrivals struct {
	base time.Time
	n    atomic.Int64
	at   []atomic.Int64 // since base, and 1 ns
}

func (a *arrivals) init(n int) { a.base, a.at = time.Now(), make([]atomic.Int64, n) }

func (a *arrivals) record() {
	if len(a.at) == 0 {
		return
	}
	if i := a.n.Add(1) - 1; i < int64(len(a.at)) {
		a.at[i].Store(int64(time.Since(a.base)) + 1)
	}
}

// Arrivals returns when the first Options.RecordArrivals text and binary
// messages were read from their sockets, in rising order. The times are
// monotonic.
func (s *Server) Arrivals() []time.Time {
	a := &s.arrivals
	out := make([]time.Time, 0, min(a.n.Load(), int64(len(a.at))))
	for i := range cap(out) {
		if d := a.at[i].Load(); d > 0 {
			out = append(out, a.base.Add(time.Duration(d-1)))
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}
