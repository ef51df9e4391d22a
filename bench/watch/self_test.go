package watch

import (
	"encoding/json"
	"math"
	"reflect"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"carillon/bench/report"
)

func TestSelf(t *testing.T) {
	t.Parallel()
	s := NewSelf()
	for from := cpuTime(); cpuTime()-from < 200*time.Millisecond; {
	}
	s.Begin()
	for from := cpuTime(); cpuTime()-from < 100*time.Millisecond; {
	}
	runtime.GC()
	u := s.End()
	// Other tests run in this process; it can not use more than its processors.
	if u.CPUSeconds < 0.09 || u.CPUSeconds > 1.1*u.Seconds*float64(runtime.NumCPU()) {
		t.Errorf("got %v CPU seconds in %v s", u.CPUSeconds, u.Seconds)
	}
	if u.GCs < 1 || u.GCPauseMax <= 0 || u.GCPauseMax > u.Seconds*2 {
		t.Errorf("got %d collections, longest pause %v s", u.GCs, u.GCPauseMax)
	}
	if u.RSS < 1<<20 {
		t.Errorf("got RSS %d", u.RSS)
	}
	if share := u.CPUShare(); share <= 0 || share > 1 {
		t.Errorf("got a CPU share of %v", share)
	}
	if runtime.GOOS == "linux" && (u.MachineBusy() <= 0 || u.MachineBusy() > 1) {
		t.Errorf("got a machine busy by %v", u.MachineBusy())
	}
	var c report.Client
	u.Fill(&c, 2_000_000, 0)
	if c.CPUSeconds != u.CPUSeconds || c.CPUPerMSent != u.CPUSeconds/2 || c.CPUPerMRecv != 0 || c.RSS != u.RSS || c.GCPause != u.GCPauseMax*1000 || c.CPUShare != u.CPUShare() || c.MachineBusy != u.MachineBusy() {
		t.Errorf("got %+v of %+v", c, u)
	}
}

func TestSelfMerge(t *testing.T) {
	t.Parallel()
	one := SelfUsage{Seconds: 10, CPUSeconds: 5, RSS: 100, GCPauseMax: 0.001, GCs: 3, Machines: map[string]MachineUsage{"a": {Cores: 2, CPUSeconds: 5, Busy: 0.5}}}
	two := SelfUsage{Seconds: 9, CPUSeconds: 8, RSS: 50, GCPauseMax: 0.002, GCs: 1, Machines: map[string]MachineUsage{"a": {Cores: 2, CPUSeconds: 8, Busy: 0.7}}}
	other := SelfUsage{Seconds: 10, CPUSeconds: 10, RSS: 1, Machines: map[string]MachineUsage{"b": {Cores: 8, CPUSeconds: 10, Busy: 0.9}}}
	want := SelfUsage{Seconds: 10, CPUSeconds: 23, RSS: 151, GCPauseMax: 0.002, GCs: 4, Machines: map[string]MachineUsage{
		"a": {Cores: 2, CPUSeconds: 13, Busy: 0.7}, "b": {Cores: 8, CPUSeconds: 10, Busy: 0.9},
	}}
	for _, order := range [][]SelfUsage{{one, two, other}, {other, two, one}, {two, other, one}} {
		var sum SelfUsage
		for _, u := range order {
			b, err := json.Marshal(u)
			if err != nil {
				t.Fatal(err)
			}
			var back SelfUsage
			if err := json.Unmarshal(b, &back); err != nil {
				t.Fatal(err)
			}
			sum.Merge(back)
		}
		if !reflect.DeepEqual(sum, want) {
			t.Errorf("got %+v, want %+v", sum, want)
		}
		if got := sum.CPUShare(); got != 0.65 {
			t.Errorf("got a CPU share of %v, want that of machine a", got)
		}
		if got := sum.MachineBusy(); got != 0.9 {
			t.Errorf("got a machine busy by %v, want 0.9", got)
		}
	}
	if len(one.Machines) != 1 || one.Machines["a"].CPUSeconds != 5 {
		t.Errorf("merging changed what was merged: %+v", one)
	}
}

func TestMachineTime(t *testing.T) {
	t.Parallel()
	for stat, want := range map[string][2]uint64{
		"cpu  10 20 30 400 50 6 7 8 9 9\ncpu0 1 1 1 1\n": {81, 531},
		"cpu 1 2 3 4":    {6, 10},
		"cpu 1 2 x 4":    {0, 0},
		"cpu 1 2 3":      {0, 0},
		"intr 1 2 3 4 5": {0, 0},
		"":               {0, 0},
	} {
		if busy, total := machineTime(stat); busy != want[0] || total != want[1] {
			t.Errorf("%q: got %d of %d, want %v", stat, busy, total, want)
		}
	}
	if got := busyShare(glance{busy: 10, total: 100}, glance{busy: 40, total: 160}); got != 0.5 {
		t.Errorf("got %v, want 0.5", got)
	}
	if got := busyShare(glance{busy: 10, total: 100}, glance{busy: 10, total: 100}); got != 0 {
		t.Errorf("no time: got %v", got)
	}
}

func TestLongestPause(t *testing.T) {
	t.Parallel()
	buckets := []float64{math.Inf(-1), 0.001, 0.01, 0.1, math.Inf(1)}
	h := func(counts ...uint64) *metrics.Float64Histogram {
		return &metrics.Float64Histogram{Counts: counts, Buckets: buckets}
	}
	for _, c := range []struct {
		from, to *metrics.Float64Histogram
		want     time.Duration
	}{
		{h(1, 1, 1, 0), h(1, 1, 1, 0), 0},
		{h(1, 1, 1, 0), h(9, 2, 1, 0), 10 * time.Millisecond},
		{h(1, 1, 1, 0), h(9, 2, 2, 0), 100 * time.Millisecond},
		{h(1, 1, 1, 0), h(1, 1, 1, 1), 100 * time.Millisecond},
		{nil, h(1, 1, 1, 1), 0},
	} {
		if got := longestPause(c.from, c.to); got != c.want {
			t.Errorf("from %v to %v: got %v, want %v", c.from, c.to, got, c.want)
		}
	}
}

func TestSpent(t *testing.T) {
	t.Parallel()
	if cpu, rss := Spent(0); cpu <= 0 || rss < 1<<20 {
		t.Errorf("this process: got %v CPU seconds, RSS %d", cpu, rss)
	}
	if rss := Resident(); rss < 1<<20 {
		t.Errorf("got %d resident", rss)
	}
	linuxOnly(t)
	f := startFollower(t)
	f.order(t, "burn 50")
	f.order(t, "hold 10")
	if cpu, rss := Spent(f.pid()); cpu < 0.04 || rss < 10<<20 {
		t.Errorf("another process: got %v CPU seconds, RSS %d", cpu, rss)
	}
	f.end()
	if cpu, rss := Spent(f.pid()); cpu != 0 || rss != 0 {
		t.Errorf("a process that is no more: got %v CPU seconds, RSS %d", cpu, rss)
	}
}
