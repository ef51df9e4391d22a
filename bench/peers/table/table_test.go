package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"carillon/bench/peers/internal/figures"
	"carillon/bench/peers/internal/page"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const printed = `goos: linux
BenchmarkFanout/loops=1/lone-3         	       8	         0 ns/op	    140000 C_frames/s	    133000 send_frames/s	         0.9500 send_x_C	         0.9000 send_x_C_min	         1.100 send_x_C_max
BenchmarkFanout/loops=1/window=8-3     	       8	         0 ns/op	    141000 C_frames/s	    931000 send_frames/s	         6.600 send_x_C
BenchmarkTargeted/map	  500000	      3000 ns/op	    300000 pushes/s	     160 B/op	       1 allocs/op
BenchmarkTargeted/loops=1-2	  500000	       460 ns/op	   2100000 pushes/s	       0.0040 wakes/op	     160 B/op	       1 allocs/op
BenchmarkBroken-2	 many	 460 ns/op
PASS
`

func spread(v float64) figures.Spread {
	return figures.Spread{Median: v, Low: v - 1, High: v + 1, Of: v / 2, Values: []float64{v - 1, v, v + 1}, Rounds: []int{1, 2, 3}}
}

// TestJudge has goals met, missed, not measured and without a limit.
func TestJudge(t *testing.T) {
	b := benchmarks{}
	b.add(printed)
	if len(b) != 4 {
		t.Errorf("%d benchmarks, want 4: %v", len(b), b)
	}
	row := func(step, server string, f map[string]figures.Spread) figures.Row {
		return figures.Row{Step: step, Server: server, Figures: f}
	}
	table := judge(measured{benched: b, rows: []figures.Row{
		row("flood", "carillon", map[string]figures.Spread{"cpu_seconds_per_million": spread(2.5), "p99_ms": spread(7)}),
		row("flood", "c-log", map[string]figures.Spread{"cpu_seconds_per_million": spread(1), "p99_ms": spread(6)}),
		row("flood", "gws", map[string]figures.Spread{"cpu_seconds_per_million": spread(10)}),
		row("flood", "ws", map[string]figures.Spread{"cpu_seconds_per_million": spread(20)}),
		row("connect", "carillon", map[string]figures.Spread{"operations_per_second": spread(300)}),
		row("sparse", "carillon-1", map[string]figures.Spread{"cpu_seconds_per_million": spread(15)}),
		row("sparse", "c", map[string]figures.Spread{"cpu_seconds_per_million": spread(12)}),
		row("connect", "ws", map[string]figures.Spread{"operations_per_second": spread(100)}),
		row("connect", "gws", map[string]figures.Spread{"operations_per_second": spread(200)}),
		row("connect", "nbio", map[string]figures.Spread{"cpu_seconds_per_million": spread(90)}),
		row("flood", "nbio", map[string]figures.Spread{"cpu_seconds_per_million": spread(90)}),
		row("heartbeat", "lost", map[string]figures.Spread{"cpu_seconds_per_million": spread(1)}),
	}}).table()
	if lines := strings.Count(table, "\n"); lines != len(goals)+2 {
		t.Errorf("%d lines for %d goals", lines, len(goals))
	}
	for strings.Contains(table, "  ") {
		table = strings.ReplaceAll(table, "  ", " ")
	}
	for _, want := range []string{
		"| at least 0.95 | 0.95 | 0.90 to 1.10 | 1.00 | 140000 C_frames/s | yes |",
		"| at least 5 | 7.0 | | 1.40 | 931000 over 133000 | yes |",
		"| at most 1.2 | 1.25 | | 1.04 | ours 2.5 (1.5 to 3.5) | no |",
		"| at least 6 | 4.0 | | 0.67 | gws 10, ours 2.5, without lost | no |",
		"| at least 1 | 1.50 | | 1.50 | gws 200, ours 300, without lost | ? |",
		"| at most 5 | 7.00 | 6.00 to 8.00 | 1.40 | c-log 6 | no |",
		"| pushes/s over those of a map, a lock and a write | | 7.00 | | | 2100000 over 300000 | |",
		"CPU of one loop over that of C | at most 1.3 | 1.25 | 1.23 to 1.27 | 0.96 | carillon-1 15, c 12 | yes |",
		"two loops over one process of C | at most 1.3 | not measured | | | | |",
		"| at most 1.05 | not measured | | | | |",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %s in\n%s", want, table)
		}
	}
}

func TestBenchmarkTable(t *testing.T) {
	b := benchmarks{}
	b.add(printed)
	want := "| | pushes/s | wakes/op |\n|---|---|---|\n| loops=1 | 2100000 | 0.004 |\n| map | 300000 | |\n"
	if got := b.table(targeted, []string{"pushes/s", "wakes/op"}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := b.table("BenchmarkOther", []string{"x"}); got != "" {
		t.Errorf("got %q of nothing", got)
	}
}

func FuzzBenchmarks(f *testing.F) {
	f.Add(printed)
	f.Add("BenchmarkX-\t1\t2 ns/op\nBenchmarkX 1 NaN x\n")
	f.Fuzz(func(t *testing.T, out string) {
		b := benchmarks{}
		b.add(out)
		for name, units := range b {
			if !strings.HasPrefix(name, "Benchmark") || len(units) == 0 {
				t.Errorf("%q has %v", name, units)
			}
		}
	})
}

// TestTable has one step measured, and the page filled.
func TestTable(t *testing.T) {
	if out, err := exec.Command("../install.sh").CombinedOutput(); err != nil {
		t.Fatalf("install.sh: %v\n%s", err, out)
	}
	file := filepath.Join(t.TempDir(), "page.md")
	text := page.Begin("machine") + page.End + page.Begin("summary") + page.End + page.Begin("servercost connect") + page.End
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	peers, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	err = run(t.Context(), []string{
		"--carillon", "/bin/sh", "--peers", peers, "--servers", "c", "--steps", "connect", "--rounds", "1", "--window", "300ms", "--benchmarks=false", "--markdown", file,
	}, &out, &log)
	if err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	filled, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CPU s per million connects", "| not measured", "1 rounds", "cores, "} {
		if !strings.Contains(string(filled), want) {
			t.Errorf("no %q in\n%s", want, filled)
		}
	}
	if !strings.Contains(out.String(), "CPU s per million connects") || !strings.Contains(out.String(), "| broadcast") {
		t.Errorf("printed\n%s", &out)
	}
	// What cannot be measured is said after the tables of the rest.
	out.Reset()
	err = run(t.Context(), []string{"--carillon", "/bin/sh", "--peers", peers, "--servers", "carillon", "--steps", "connect", "--rounds", "1", "--benchmarks=false"}, &out, &log)
	if err == nil || !strings.Contains(log.String(), "once more: carillon, connect") {
		t.Errorf("got %v\n%s", err, &log)
	}
}

func TestBadSettings(t *testing.T) {
	for _, args := range [][]string{{"--rounds", "0"}, {"--fanout", "0"}, {"more"}, {"--nonsense"}} {
		var out, log bytes.Buffer
		if err := run(t.Context(), args, &out, &log); err == nil || out.Len() > 0 {
			t.Errorf("%q: got %v, %s", args, err, &out)
		}
	}
}
