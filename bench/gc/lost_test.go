package main

import (
	"strings"
	"testing"
	"time"

	"carillon/cluster/services/crowd/crowdtest"
)

// TestLost has no figures of a gateway that closed its clients.
func TestLost(t *testing.T) {
	t.Setenv("WEBSOCKET_HEARTBEAT_TIMEOUT", "2s")
	o := options{carillon: crowdtest.Build(t), connections: 300, rounds: 1, window: 4 * time.Second}
	if f, err := o.measure(t.Context(), "100", loads[0]); err == nil || !strings.Contains(err.Error(), "were closed") {
		t.Errorf("got %+v, %v, want that connections were closed", f, err)
	}
}
