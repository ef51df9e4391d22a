package main

import (
	"bytes"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"carillon/cluster/services/crowd/crowdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRun measures some hundreds, and sees that a collector that is off collects nothing.
func TestRun(t *testing.T) {
	o := options{carillon: crowdtest.Build(t), connections: 300, rounds: 1, window: 2 * time.Second, settings: []setting{"10", "off"}}
	var out bytes.Buffer
	if err := o.run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(out.String(), "|---|\n")
	collections := make(map[string]string)
	for row := range strings.Lines(table) {
		cells := strings.Split(strings.ReplaceAll(row, " ", ""), "|")
		if len(cells) != 11 || cells[5] == "0.00" {
			t.Errorf("row %q", row)
			continue
		}
		collections[cells[1]+" "+cells[2]] = cells[7]
	}
	if len(collections) != 6 || collections["storm off"] != "0" || collections["storm 10"] == "0" {
		t.Errorf("collections %v in\n%s", collections, &out)
	}
}

// TestLess divides among the connections, and knows the share of no processor time.
func TestLess(t *testing.T) {
	before := reading{rss: 900, cpu: 1, collector: 0.5, cycles: 1, paused: 0.001}
	after := reading{rss: 1500, most: 2500, cpu: 3, collector: 1, cycles: 5, paused: 0.009, worst: 0.004}
	got, want := after.less(before, 500, 10), figures{rss: 100, most: 200, cpu: 2, share: 0.25, cycles: 4, longest: 4, mean: 2}
	got.mean = math.Round(got.mean*1e6) / 1e6
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if f := after.less(after, 500, 10); f.share != 0 || f.mean != 0 {
		t.Errorf("of nothing: %+v", f)
	}
}

// TestSetting is what a gateway finds in its environment.
func TestSetting(t *testing.T) {
	for s, want := range map[setting]string{"50": "GOGC=50", "off:64MiB": "GOGC=off GOMEMLIMIT=64MiB"} {
		if got := strings.Join(s.env(), " "); got != want {
			t.Errorf("%s: got %s, want %s", s, got, want)
		}
	}
}

// TestCannotStart says why.
func TestCannotStart(t *testing.T) {
	o := options{carillon: filepath.Join(t.TempDir(), "missing")}
	if err := o.run(t.Context(), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("without the program: %v", err)
	}
	for _, args := range [][]string{{"--connections", "0"}, {"--rounds", "0"}, {"--window", "x"}} {
		if code := command(args); code != 2 {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
}
