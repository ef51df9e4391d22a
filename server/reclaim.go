package server

import (
	"context"
	"runtime/debug"
	"time"
)

// After many connections have gone nothing allocates, so that Go's collector
// would not run for two minutes, and what it frees would go back to the system
// minutes later still. A gateway shares its machine with others of its kind, who
// get the clients that went: so it gives the memory back at once.

const (
	// reclaimEvery is how often the number of connections is looked at, so that the
	// peak of a short storm is seen.
	reclaimEvery = time.Second
	// reclaimCalm is for how many looks few must have gone: by then the loops have
	// let go of the arrays and rings that they needed.
	reclaimCalm = 4
	// reclaimConns is how many connections must have gone, some 3 MB of memory.
	reclaimConns = 4096
)

// reclaimer decides when memory is worth giving back.
type reclaimer struct {
	peak, last int
	calm       int // looks at which few had gone, in a row
}

// due tells whether so many connections have gone since memory was given back
// that it pays, now that no more go.
func (r *reclaimer) due(conns int) bool {
	if r.calm++; conns < r.last-reclaimConns/4 {
		r.calm = 0
	}
	r.last = conns
	r.peak = max(r.peak, conns)
	if r.calm < reclaimCalm || r.peak-conns < max(reclaimConns, r.peak/4) {
		return false
	}
	r.peak = conns
	return true
}

// reclaim gives memory back until ctx ends. It costs a collection, which took 5
// to 20 ms of CPU beside the loops where 18,000 connections had gone.
func (s *Server) reclaim(ctx context.Context) {
	tick := time.NewTicker(reclaimEvery)
	defer tick.Stop()
	var r reclaimer
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if r.due(s.reactor.Conns()) {
				debug.FreeOSMemory()
			}
		}
	}
}
