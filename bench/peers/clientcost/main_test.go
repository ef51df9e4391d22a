package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"carillon/bench/peers/internal/figures"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestAll measures small loads of the clients that need no other build.
func TestAll(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what processes use is read from /proc")
	}
	carillon := filepath.Join(t.TempDir(), "carillon")
	build := exec.Command("go", "build", "-o", carillon, "./cmd/carillon")
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var out, log bytes.Buffer
	file := filepath.Join(t.TempDir(), "out.json")
	err := run(t.Context(), []string{
		"--tools", tested, "--carillon", carillon, "--works", "broadcast,echo", "--rounds", "1", "--window", "1s", "--settle", "100ms",
		"-c", "40", "--echo-rate", "400", "--k6", "../bin/k6", "--k6-scripts", "../k6", "--json", file,
	}, &out, &log)
	if err != nil {
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
	names := strings.Split(tested, ",")
	if len(all.Samples) != 2*len(names) || len(all.Rows) != 2*len(names) {
		t.Fatalf("got %s", b)
	}
	for _, s := range all.Samples {
		// A busy machine sends fewer than were asked for.
		if s.Messages < int64(s.Asked)/20 || s.Messages > 2*int64(s.Asked) || s.CPUSeconds < 0 {
			t.Errorf("got %+v", s)
		}
	}
	for _, want := range append(names, "per million received", "per million sent") {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

func TestIdle(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what processes use is read from /proc")
	}
	var out, log bytes.Buffer
	err := run(t.Context(), []string{
		"--tools", "gorilla", "--works", "idle", "--rounds", "1", "--settle", "100ms", "--idle", "800",
	}, &out, &log)
	if err != nil || !strings.Contains(out.String(), "KiB per idle connection") {
		t.Errorf("got %v\n%s%s", err, &out, &log)
	}
}

func TestBadSettings(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"--tools curl", `unknown "curl"`},
		{"--works sleep", `unknown "sleep"`},
		{"-c 0", "-c 0"},
		{"--idle 3", "--idle 3"},
		{"--size 54", "--size 54"},
		{"--rounds 0", "--rounds 0"},
		{"--window 1ms", "--window 1ms"},
		{"--echo-rate -1", "--echo-rate -1"},
		{"--tools k6 --k6 nowhere/k6", "k6 is not there"},
		{"--nonsense", "nonsense"},
	} {
		var out, log bytes.Buffer
		err := run(t.Context(), strings.Fields(tc.args), &out, &log)
		if err == nil || !strings.Contains(err.Error(), tc.want) || out.Len() > 0 {
			t.Errorf("%s: got %v, want %q", tc.args, err, tc.want)
		}
	}
}

// TestToolsThatFail has what a tool said in the error.
func TestToolsThatFail(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "client")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho what is wrong\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	err := run(t.Context(), []string{"--tools", "gorilla", "--works", "echo", "--gorilla-client", script}, &out, &log)
	if err == nil || !strings.Contains(err.Error(), "what is wrong") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
}

func TestCarillonArgs(t *testing.T) {
	s := &settings{Size: 128}
	j := job{work: broadcast, addr: "h:1", conns: 1000, rate: 20, life: time.Minute, out: "o.json"}
	want := "bench broadcast ws://h:1/ws?token=u{{.ID}} -c 1000 --rate 20 -d 1m0s --message {{.Mark}}{{.Pad 73}} --progress quiet --json o.json"
	if got := strings.Join(carillonArgs(s, j), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	j.work = idle
	want = "bench connect ws://h:1/ws?token=u{{.ID}} -c 1000 --hold 1m0s --progress quiet --json o.json"
	if got := strings.Join(carillonArgs(s, j), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestVirtualUsers(t *testing.T) {
	for _, tc := range [][3]int{{1000, 100, 10}, {250, 100, 2}, {350, 100, 2}, {7, 100, 1}, {1000, 1, 1000}, {199, 100, 1}} {
		if got := virtualUsers(tc[0], tc[1]); got != tc[2] {
			t.Errorf("%d by %d: got %d, want %d", tc[0], tc[1], got, tc[2])
		}
	}
}

func TestSummarise(t *testing.T) {
	var samples []sample
	for round, v := range []float64{3, 1, 2} {
		samples = append(samples,
			sample{Tool: "carillon", Work: echo, PerMillion: v, Rate: 100, Asked: 100, Conns: 10, Round: round + 1},
			sample{Tool: "gorilla", Work: echo, PerMillion: 2 * v, Rate: 99, Asked: 100, Conns: 10},
			sample{Tool: "k6", Work: echo, PerMillion: 10 * v, Rate: 50, Asked: 100, Conns: 10},
			sample{Tool: "k6-shared", Work: echo, PerMillion: 8 * v, Rate: 50, Asked: 100, Conns: 10},
			sample{Tool: "carillon", Work: idle, PerConn: 2048, Conns: 4000},
		)
	}
	rows := summarise(samples)
	i := slices.IndexFunc(rows, func(r row) bool { return r.Tool == "carillon" && r.Work == echo })
	if r := rows[i]; r.Median != 2 || r.Low != 1 || r.High != 3 || r.Runs != 3 || r.OfGorilla != .5 || r.OfK6 != .125 {
		t.Errorf("got %+v", r)
	}
	var out bytes.Buffer
	if err := write(&out, rows); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| carillon  | 2.00                                  | 1.00 to 3.00           | 0.12  | 0.50       | 100 of 100 | 10          |",
		"| carillon | 2.00                    | 2.00 to 2.00           |       |            |            | 4000        |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want %s in\n%s", want, &out)
		}
	}
	if got := figures.Median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median of an even number: got %v", got)
	}
}
