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

	"carillon/bench/peers/internal/figures"
	"carillon/bench/peers/internal/proc"
	"carillon/bench/peers/internal/wire"
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
	"--flood-c", "40", "--bystanders", "5", "--bystander-rate", "200", "--storm-c", "40", "--storm-rate", "200", "--storm", "200", "--idle-every", "2s", "--idle-window", "300ms",
	"--idle-rest", "0s",
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
	last := strings.Join([]string{sparse, idle, wired}, ",")
	if err := wire.Able(t.Context()); err != nil {
		t.Log("without a wire, which cannot be laid here: ", err)
		last = strings.Join([]string{sparse, idle}, ",")
	}
	nchan := 4 // it has no burst
	if err := proc.Namespaces(); err != nil {
		t.Log("without nchan: ", err)
		nchan = 0
	}
	for _, tc := range []struct {
		servers, steps string
		samples        int
	}{
		{"c,centrifuge", heartbeat + "," + broadcast, 4},
		{"carillon,centrifuge", burst, 1}, // there are none of Centrifuge
		{"carillon,c", strings.Join([]string{connect, storm}, ","), 4},
		{"carillon,c,c-log,centrifuge", strings.Join([]string{flood, steady}, ","), 8},
		{"carillon", last, strings.Count(last, ",") + 1},
		{"nchan", strings.Join([]string{heartbeat, broadcast, burst, connect, idle}, ","), nchan},
	} {
		if tc.samples == 0 {
			continue
		}
		t.Run(tc.servers+" "+tc.steps, func(t *testing.T) {
			t.Parallel()
			measure(t, tc.samples, "--carillon", carillon, "--servers", tc.servers, "--steps", tc.steps)
		})
	}
}

// done is the least and the most that a server does in a small measurement: what
// is not counted beforehand may be less on a busy machine.
var done = map[string][2]int64{
	heartbeat: {1, math.MaxInt64}, sparse: {1, 120}, broadcast: {3 * 40, 3 * 40}, burst: {4 * 40, 4 * 40}, connect: {200, 200}, idle: {0, 0}, wired: {0, 0},
	flood: {1, math.MaxInt64}, steady: {40, math.MaxInt64}, storm: {200, 200},
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
		Rows    []figures.Row
	}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Samples) != samples || len(all.Rows) != samples {
		t.Fatalf("%d samples, %d rows, want %d", len(all.Samples), len(all.Rows), samples)
	}
	for _, s := range all.Samples {
		want := done[s.Step]
		if s.Operations < want[0] || s.Operations > want[1] || s.Failed != 0 || s.CPUSeconds < 0 {
			t.Errorf("want %d to %d operations: %+v", want[0], want[1], s)
		}
		if !strings.Contains(out.String(), "| "+s.Server+" ") || !strings.Contains(out.String(), columns[s.Step][0].title) {
			t.Errorf("no %s of %s in\n%s", s.Step, s.Server, &out)
		}
		for _, c := range columns[s.Step] {
			// Of so few connections a kernel under other load may have got any amount,
			// and carillon bench counts CPU time in ticks.
			if v, there := s.Figures[c.figure]; !there || v <= 0 && !strings.HasSuffix(c.figure, "per_connection") && c.figure != perMillion {
				t.Errorf("%s is %v, %v: %+v", c.figure, v, there, s)
			}
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
	for _, tc := range []struct{ name, step, script, want string }{
		{"does not connect", idle, "exec sleep 600", "timeout"},
		{"ends early", connect, "echo too few >&2; exit 1", "too few"},
		{"says something else", flood, `echo '{"seconds":1}'; read x; echo what; read x`, `"what"`},
		{"gets what nobody sent", flood, `echo '{"seconds":1}'; read x; echo begin; echo end; echo '{"wrong":3}'; read x`, "3 frames"},
		{"gets nothing", steady, `echo '{"seconds":1}'; read x; echo begin; echo end; echo '{}'; read x; echo begin; echo end; echo '{}'; read x`, "0 operations"},
	} {
		t.Run("crowd "+tc.name, func(t *testing.T) {
			t.Parallel()
			var out, log bytes.Buffer
			err := run(t.Context(), slices.Concat(args, []string{"--steps", tc.step, "--carillon", script(t, ""), "--crowd", script(t, tc.script)}), &out, &log)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "c, "+tc.step+", round 1") {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	t.Run("keep going", func(t *testing.T) {
		t.Parallel()
		var out, log bytes.Buffer
		err := run(t.Context(), slices.Concat(args, []string{"--keep-going", "--steps", connect + "," + steady, "--carillon", script(t, ""),
			"--crowd", script(t, `echo '{"seconds":1}'; read x; echo what`)}), &out, &log)
		if err == nil || !strings.Contains(err.Error(), "c, steady, round 1") || strings.Contains(err.Error(), "c, connect") {
			t.Errorf("got %v", err)
		}
		if !strings.Contains(log.String(), "once more: c, steady") || !strings.Contains(out.String(), "| c ") {
			t.Errorf("said %s\n%s", &log, &out)
		}
	})
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
		{"--peer-rounds -1", "--peer-rounds -1"},
		{"--flood-c 0", "--flood-c 0"},
		{"--storm 0", "--storm 0"},
		{"--flood-broadcasts 17", "--flood-broadcasts 17"},
		{"--steady-rate 0", "--steady-rate 0"},
		{"--idle-every 0s", "--idle-every 0s"},
		{"--crowd nowhere/crowd --carillon /bin/sh", "crowd is not there"},
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
		{"--carillon nowhere/carillon --gateway /bin/sh --crowd /bin/sh", "carillon is not there"},
		{"--carillon /bin/sh --gateway nowhere/carillon --crowd /bin/sh", "the gateway is not there"},
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
