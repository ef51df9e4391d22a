package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"carillon/cluster/services/crowd/crowdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSmall does with some hundreds what the command does with a million.
func TestSmall(t *testing.T) {
	var out bytes.Buffer
	o := options{carillon: crowdtest.Build(t), count: 300, rate: 300, every: time.Second, hold: 8 * time.Second}
	if err := run(t.Context(), o, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"2 gateways", "300 of 300 after", "broadcast    reached 300 of 300", "connected    300, closed meanwhile 0", "gateways, user space"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output has no %q:\n%s", want, out.String())
		}
	}
}

// TestCannotStart says why, and leaves nothing running.
func TestCannotStart(t *testing.T) {
	var out bytes.Buffer
	o := options{carillon: filepath.Join(t.TempDir(), "missing"), count: 10}
	if err := run(t.Context(), o, &out); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("without the program: %v", err)
	}
	o.carillon = "/bin/false"
	if err := run(t.Context(), o, &out); err == nil || !strings.Contains(err.Error(), "did not start") {
		t.Errorf("with a program that ends at once: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, o, &out); err == nil {
		t.Error("after the end of its context it goes on")
	}
}
