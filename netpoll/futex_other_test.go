//go:build !linux

package netpoll

import (
	"sync/atomic"
	"time"
)

// sleepOn returns when somebody has changed word, which was value; false after limit.
func sleepOn(word *atomic.Uint32, value uint32, limit time.Duration) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(200 * time.Microsecond) {
		if word.Load() != value {
			return true
		}
	}
	return false
}
