package crowd

import (
	"context"
	"time"
)

// between is the pause between two looks whether something has happened.
const between = 100 * time.Millisecond

// Pause waits, and tells whether it did so to the end.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
