package supervise

import (
	"testing"
	"time"
)

func TestRestartsWaitLongerEachTime(t *testing.T) {
	t.Parallel()
	r := newRestarts()
	near := func(name string, got, want time.Duration) {
		t.Helper()
		if got < want*3/4 || got > want*5/4 {
			t.Errorf("%s: got %v, want about %v", name, got, want)
		}
	}
	want := firstDelay
	for range 20 {
		near("early death", r.after(0), want)
		want = min(2*want, longestDelay)
	}
	near("death just before the worker counts as healthy", r.after(healthyAfter-1), longestDelay)
	near("death of a healthy worker", r.after(healthyAfter), firstDelay)
	near("another death at once", r.after(0), 2*firstDelay)
}
