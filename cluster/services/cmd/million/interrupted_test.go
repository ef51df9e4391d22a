package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"carillon/cluster/services/crowd/crowdtest"
)

type noted struct {
	mu sync.Mutex
	b  bytes.Buffer
	on func(string)
}

func (n *noted) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.b.Write(p)
	n.on(n.b.String())
	return len(p), nil
}

// TestInterruptedWhileHeld interrupts the command while everybody is held.
func TestInterruptedWhileHeld(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var at time.Time
	out := &noted{}
	out.on = func(text string) {
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
