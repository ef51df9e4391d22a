package engine

import "time"

// clock reads a monotonic clock in nanoseconds. On Linux all processes of a
// machine read the same one, so that a message published by one process can be
// timed by another; offset brings the clocks of several machines together.
type clock struct {
	base   time.Time
	origin int64 // CLOCK_MONOTONIC at base, plus the offset to the coordinator's clock
}

func newClock(offset time.Duration) clock {
	base := time.Now()
	return clock{base: base, origin: monotonic(base) + int64(offset)}
}

// now is the coordinator's time in nanoseconds. Any goroutine.
func (c *clock) now() int64 { return c.origin + int64(time.Since(c.base)) }

// Now returns this machine's monotonic clock in nanoseconds, which its processes
// share; it is what job times and offsets refer to. Any goroutine.
func Now() int64 { return processClock.now() }

var processClock = newClock(0)
