package clustertest

import (
	"fmt"
	"testing"
	"time"
)

// patience is how long a change may take to show. Changes show within
// milliseconds; a machine that does ten other things takes longer.
const patience = 20 * time.Second

// Eventually calls check until it returns nil. When it has not within the given
// time (0 means 20 s), the test ends with what check said last.
func Eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	if err := poll(within, check); err != nil {
		t.Fatal(err)
	}
}

func poll(within time.Duration, check func() error) error {
	if within == 0 {
		within = patience
	}
	deadline := time.Now().Add(within)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %v: %w", within, err)
		}
		time.Sleep(pause)
	}
}
