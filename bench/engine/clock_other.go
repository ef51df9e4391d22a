//go:build !linux

package engine

import "time"

// monotonic falls back to the wall clock, which the processes of a machine share.
func monotonic(now time.Time) int64 { return now.UnixNano() }
