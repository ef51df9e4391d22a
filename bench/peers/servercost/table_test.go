package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestSummarise(t *testing.T) {
	var samples []sample
	for i, v := range []float64{3, 1, 2} {
		samples = append(samples,
			sample{Server: "gws", Step: heartbeat, Round: i + 1, Conns: 10, PerMillion: 2 * v, Rate: 100 * v, Failed: 1},
			sample{Server: "c", Step: heartbeat, Round: i + 1, Conns: 10, PerMillion: v, Rate: 200},
			sample{Server: "carillon", Step: idle, Round: i + 1, Conns: 20, PerConn: 600},
		)
	}
	samples[6].PerMillion = 9 // of 2: half of the others' ratio more, in one round
	rows := summarise(samples)
	if len(rows) != 3 || rows[0].Server != "c" || rows[1].Server != "gws" || rows[2].Step != idle {
		t.Fatalf("got %+v", rows)
	}
	want := row{Step: heartbeat, Server: "gws", Median: 6, Low: 2, High: 9, OfC: 2, Rate: 200, Failed: 3, Conns: 10, Runs: 3}
	if rows[1] != want {
		t.Errorf("got  %+v\nwant %+v", rows[1], want)
	}
	if rows[0].OfC != 1 || rows[2].OfC != 0 {
		t.Errorf("ratios %v and %v, want 1 and none", rows[0].OfC, rows[2].OfC)
	}
	var out bytes.Buffer
	if err := write(&out, rows); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 2.00 to 9.00           | 2.00 | 200          | 3      | 10          |",
		"| carillon | 600                       | 600 to 600             |      |    | 0      | 20          |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want %s in\n%s", want, &out)
		}
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median of an even number: got %v", got)
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
	if names[0] != baseline || len(names) != len(servers) {
		t.Errorf("got %q", names)
	}
}
