package clustertest

import (
	"fmt"
	"testing"
	"time"
)

// patience is how long a change may take to show. Changes show within
// milliseconds; a machine that does ten other things takes longer.
const patience = 20 * time.Second

// Eventually calls check until it returns nil. When it has not within limit, 0
// means 20 s, the test ends with what check said last.
func Eventually(t testing.TB, limit time.Duration, check func() error) {
	t.Helper()
	if err := poll(limit, check); err != nil {
		t.Fatal(err)
	}
}

func poll(limit time.Duration, check func() error) error {
	if limit == 0 {
		limit = patience
	}
	deadline := time.Now().Add(limit)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %v: %w", limit, err)
		}
		time.Sleep(pause)
	}
}
