package supervise

import (
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	// firstDelay is short: a worker that dies once is to be back before its clients
	// have given up. It also lets a signal that a service manager sends to workers
	// and supervisor alike reach the latter first.
	firstDelay = 200 * time.Millisecond
	// longestDelay keeps a worker that can not run from costing more than a start now and then.
	longestDelay = 30 * time.Second
	// healthyAfter is the life after which a death is taken as the first one.
	healthyAfter = time.Minute
)

// restarts says how long to wait before a worker is started again: longer from one
// death to the next, by a random share more or less, so that workers which died
// together do not come back together.
type restarts struct{ b backoff.ExponentialBackOff }

func newRestarts() *restarts {
	r := &restarts{backoff.ExponentialBackOff{
		InitialInterval: firstDelay, Multiplier: 2, MaxInterval: longestDelay, RandomizationFactor: 0.25,
	}}
	r.b.Reset()
	return r
}

// after is the delay for a worker that has lived so long.
func (r *restarts) after(lived time.Duration) time.Duration {
	if lived >= healthyAfter {
		r.b.Reset()
	}
	return r.b.NextBackOff()
}
