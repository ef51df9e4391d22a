// Package await has tests wait for conditions instead of for time.
package await

import (
	"testing"
	"time"
)

// Patience bounds every wait. A test that passes does not come near it, also on
// a machine that compiles something else.
const Patience = 30 * time.Second

// Until polls a condition until it holds. After [Patience] it fails the test and
// shows the states.
func Until(t testing.TB, what string, holds func() bool, states ...func() any) {
	t.Helper()
	if poll(Patience, holds) {
		return
	}
	for _, state := range states {
		t.Logf("%+v", state())
	}
	t.Fatalf("waited %v in vain: %s", Patience, what)
}

// poll looks once more when the time is over, because the machine may have slept
// through most of it.
func poll(limit time.Duration, holds func() bool) bool {
	const pause = 2 * time.Millisecond
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(pause) {
		if holds() {
			return true
		}
	}
	return holds()
}
