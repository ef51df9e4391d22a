package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if out, err := exec.Command("../install.sh").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "install.sh: %v\n%s", err, out)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// small is a measurement that takes little time.
var small = []string{
	"--peers", "..", "--rounds", "1", "--warmup", "100ms", "--window", "300ms", "--limit", "1m", "-c", "20", "--sparse-c", "40", "--sparse-rate", "400",
	"--broadcast-c", "40", "--broadcast-rate", "10", "--burst", "4", "--burst-every", "200ms", "--connects", "200", "--idle", "400",
}

// TestAll measures each step, with servers of each kind: the baseline, the
// gateway, and one with a protocol of its own.
func TestAll(t *testing.T) {
	carillon := filepath.Join(t.TempDir(), "carillon")
	build := exec.Command("go", "build", "-o", carillon, "./cmd/carillon")
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, tc := range []struct {
		servers, steps string
		samples        int
	}{
		{"c,centrifuge", heartbeat + "," + broadcast, 4},
		{"carillon,centrifuge", burst, 1}, // there are none of Centrifuge
		{"carillon", strings.Join([]string{sparse, connect, idle}, ","), 3},
	} {
		t.Run(tc.servers+" "+tc.steps, func(t *testing.T) {
			t.Parallel()
			measure(t, tc.samples, "--carillon", carillon, "--servers", tc.servers, "--steps", tc.steps)
		})
	}
}

// done is the least and the most that a server does in a small measurement: what
// is not counted beforehand may be less on a busy machine.
var done = map[string][2]int64{
	heartbeat: {1, math.MaxInt64}, sparse: {1, 120}, broadcast: {3 * 40, 3 * 40}, burst: {4 * 40, 4 * 40}, connect: {200, 200}, idle: {0, 0},
}

func measure(t *testing.T, samples int, args ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "out.json")
	var out, log bytes.Buffer
	if err := run(t.Context(), slices.Concat(small, args, []string{"--json", file}), &out, &log); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Samples []sample
		Rows    []row
	}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Samples) != samples || len(all.Rows) != samples {
		t.Fatalf("%d samples, %d rows, want %d", len(all.Samples), len(all.Rows), samples)
	}
	for _, s := range all.Samples {
		want := done[s.Step]
		if s.Operations < want[0] || s.Operations > want[1] || s.Failed != 0 || s.CPUSeconds < 0 || (s.Step != idle) != (s.Rate > 0) {
			t.Errorf("want %d to %d operations: %+v", want[0], want[1], s)
		}
		if !strings.Contains(out.String(), "| "+s.Server+" ") || !strings.Contains(out.String(), titles[s.Step][0]) {
			t.Errorf("no %s of %s in\n%s", s.Step, s.Server, &out)
		}
	}
	if got := strings.Count(log.String(), "round 1 of 1: "); got != samples {
		t.Errorf("%d lines for %d samples:\n%s", got, samples, &log)
	}
}

// script writes a program that stands for carillon bench.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "load")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLoadThatFails ends with what the load said, and in bounded time.
func TestLoadThatFails(t *testing.T) {
	args := slices.Concat(small, []string{"--servers", "c", "--limit", "1s"})
	for _, tc := range []struct{ name, step, script, want string }{
		{"fails", heartbeat, "echo what is wrong; exit 3", "what is wrong"},
		{"has no report", heartbeat, "exit 0", "report"},
		{"reports nothing", heartbeat, `for f; do :; done; echo '{}' > "$f"`, "no scenario"},
		{"watches nobody", heartbeat, `for f; do :; done; echo '{"scenarios":[{}]}' > "$f"`, "0 servers"},
		{"does nothing", heartbeat, `for f; do :; done; echo '{"scenarios":[{}],"servers":[{}]}' > "$f"`, "0 operations"},
		{"does not end", sparse, "exec sleep 600", "longer than 1s"},
		{"does not connect", idle, "exec sleep 600", "100 connections"},
		{"ends early", connect, "echo too few; exit 1", "too few"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var out, log bytes.Buffer
			err := run(t.Context(), slices.Concat(args, []string{"--steps", tc.step, "--carillon", script(t, tc.script)}), &out, &log)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "c, "+tc.step+", round 1") {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	t.Run("is ended from outside", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		started := filepath.Join(t.TempDir(), "started")
		done := make(chan error, 1)
		go func() {
			var out, log bytes.Buffer
			done <- run(ctx, slices.Concat(small, []string{"--servers", "c", "--steps", sparse, "--carillon", script(t, "touch "+started+"; exec sleep 600")}), &out, &log)
		}()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(started); err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Error("the load was not started")
				break
			}
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestBadSettings(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"--servers apache", `unknown "apache"`},
		{"--steps sleep", `unknown "sleep"`},
		{"--rounds 0", "--rounds 0"},
		{"--window 1ms", "--window 1ms"},
		{"--window 1m --limit 30s", "--limit 30s"},
		{"--warmup -1s", "--warmup -1s"},
		{"-c 0", "-c 0"},
		{"--connects 0", "--connects 0"},
		{"--sparse-rate 0", "--sparse-rate 0"},
		{"--burst-every 0s", "--burst-every 0s"},
		{"--burst 27", "--burst 27"},
		{"--burst 3 --broadcast-c 10", "--burst 3"},
		{"--size 55", "--size 55"},
		{"--idle 3", "--idle 3"},
		{"--carillon nowhere/carillon", "carillon is not there"},
		{"--carillon /bin/sh --gateway nowhere/carillon", "carillon is not there"},
		{"--nonsense", "nonsense"},
		{"more", `"more"`},
	} {
		var out, log bytes.Buffer
		err := run(t.Context(), strings.Fields(tc.args), &out, &log)
		if err == nil || !strings.Contains(err.Error(), tc.want) || out.Len() > 0 {
			t.Errorf("%s: got %v, want %q", tc.args, err, tc.want)
		}
	}
}
