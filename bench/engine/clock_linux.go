package engine

import (
	"time"

	"golang.org/x/sys/unix"
)

// monotonic returns CLOCK_MONOTONIC at the time now, as it was read just before.
// The smallest of several tries is taken, so that being preempted in between
// does not shift the clock.
func monotonic(now time.Time) int64 {
	best := int64(-1)
	var at int64
	for range 5 {
		before := time.Since(now)
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			return now.UnixNano()
		}
		after := time.Since(now)
		if d := int64(after - before); best < 0 || d < best {
			best, at = d, ts.Nano()-int64(before+after)/2
		}
	}
	return at
}
