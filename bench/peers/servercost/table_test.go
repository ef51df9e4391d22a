package main

import (
	"bytes"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"carillon/bench/peers/internal/figures"
)

func TestSummarise(t *testing.T) {
	var samples []sample
	for i, v := range []float64{3, 1, 2} {
		samples = append(samples,
			sample{Server: "gws", Step: heartbeat, Round: i + 1, Conns: 10, Failed: 1, Figures: map[string]float64{perMillion: 2 * v, perSecond: 100 * v}},
			sample{Server: "c", Step: heartbeat, Round: i + 1, Conns: 10, Figures: map[string]float64{perMillion: v, perSecond: 200}},
			sample{Server: "carillon", Step: idle, Round: i + 1, Conns: 20, Figures: map[string]float64{pssPerConn: 600, idleCPU: v}},
		)
	}
	samples[6].Figures[perMillion] = 9 // of 2: half of the others' ratio more, in one round
	rows := summarise(samples)
	if len(rows) != 3 || rows[0].Server != "c" || rows[1].Server != "gws" || rows[2].Step != idle {
		t.Fatalf("got %+v", rows)
	}
	want := figures.Row{Step: heartbeat, Server: "gws", Failed: 3, Conns: 10, Runs: 3, Figures: map[string]figures.Spread{
		perMillion: {Median: 6, Low: 2, High: 9, Of: 2, OfLow: 2, OfHigh: 4.5, Values: []float64{6, 2, 9}, Rounds: []int{1, 2, 3}},
		perSecond:  {Median: 200, Low: 100, High: 300, Of: 1, OfLow: .5, OfHigh: 1.5, Values: []float64{300, 100, 200}, Rounds: []int{1, 2, 3}},
	}}
	if !reflect.DeepEqual(rows[1], want) {
		t.Errorf("got  %+v\nwant %+v", rows[1], want)
	}
	if of := rows[0].Figures[perMillion].Of; of != 1 || rows[2].Figures[pssPerConn].Of != 0 {
		t.Errorf("ratios %v and %v, want 1 and none", of, rows[2].Figures[pssPerConn].Of)
	}
	var out bytes.Buffer
	for _, step := range []string{heartbeat, idle, storm} {
		if err := write(&out, step, rows); err != nil {
			t.Fatal(err)
		}
	}
	spaces := regexp.MustCompile(` +`).ReplaceAllString(out.String(), " ")
	for _, want := range []string{
		"| gws | 6.00 | 2.00 to 9.00 | 2.00 | 200 | 3 | 10 | 3 |",
		"| carillon | 600 | 600 to 600 | | 0 | 0 | 0 | 2.00 | 0 | 0 | 20 | 3 |",
	} {
		if !strings.Contains(spaces, want) {
			t.Errorf("want %s in\n%s", want, &out)
		}
	}
}

// TestPeriods has publishes at whole multiples of the interval, from the
// beginning of the warm-up on.
func TestPeriods(t *testing.T) {
	for _, tc := range []struct{ every, wantWarmup, wantWindow time.Duration }{
		{500 * time.Millisecond, 1250 * time.Millisecond, 6 * time.Second},
		{2 * time.Second, time.Second, 6 * time.Second},
		{4 * time.Second, 2 * time.Second, 4 * time.Second},
		{10 * time.Second, 5 * time.Second, 10 * time.Second},
	} {
		m := &meter{settings: &settings{Warmup: time.Second, Window: 6 * time.Second}}
		if warmup, window := m.periods(tc.every); warmup != tc.wantWarmup || window != tc.wantWindow {
			t.Errorf("every %v: got %v and %v, want %v and %v", tc.every, warmup, window, tc.wantWarmup, tc.wantWindow)
		}
	}
}

func TestServerNames(t *testing.T) {
	names := serverNames()
	if want := []string{baseline, twice, sharedLog, "c-uring", ours, oneLoop, gathers}; len(names) != len(servers) || !slices.Equal(slices.Sorted(slices.Values(names[:7])), want) {
		t.Errorf("got %q", names)
	}
}
