package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"carillon/cluster/services/crowd/crowdtest"
)

// TestInterruptedWhileHeld interrupts the command while everybody is held.
func TestInterruptedWhileHeld(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var at time.Time
	out := &crowdtest.Output{}
	out.On = func(text string) {
		if at.IsZero() && strings.Contains(text, "MemAvailable") {
			at = time.Now()
			cancel()
		}
	}
	o := options{carillon: crowdtest.Build(t), count: 100, rate: 300, every: time.Second, hold: 25 * time.Second}
	err := run(ctx, o, out)
	if err == nil || time.Since(at) > 10*time.Second {
		t.Errorf("%v after the interrupt: %v", time.Since(at), err)
	}
}
