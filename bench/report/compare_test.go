package report

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"carillon/bench/stats"
)

func compared(t *testing.T, a, b *Report) *Comparison {
	t.Helper()
	c, err := Compare(a, b, CompareOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// outcome is what became of a metric.
func outcome(t *testing.T, c *Comparison, scenario, metric string) Outcome {
	t.Helper()
	changes := c.Whole
	for _, s := range c.Scenarios {
		if s.Name == scenario {
			changes = s.Changes
		}
	}
	i := slices.IndexFunc(changes, func(c Change) bool { return c.Metric == metric })
	if i < 0 {
		t.Fatalf("%s: no %s in %+v", scenario, metric, changes)
	}
	return changes[i].Outcome
}

func TestCompareAlike(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		c := compared(t, sample(1, 1), sample(seed+2, 1))
		for _, s := range c.Scenarios {
			for _, change := range s.Changes {
				if change.Outcome == Worse || change.Outcome == Better {
					t.Errorf("seed %d, %s: %+v", seed, s.Name, change)
				}
			}
		}
		if c.Regressed() || c.ExitCode() != ExitPassed || len(c.Warnings) > 0 {
			t.Errorf("seed %d: exit code %d, warnings %q", seed, c.ExitCode(), c.Warnings)
		}
	}
}

func TestCompareSlower(t *testing.T) {
	t.Parallel()
	c := compared(t, sample(1, 1), sample(2, 1.5))
	for _, metric := range []string{"latency.p50", "latency.p90", "latency.p99", "upgrade.p90", "connect.p50"} {
		if o := outcome(t, c, "echo", metric); o != Worse {
			t.Errorf("%s is %s", metric, o)
		}
	}
	if o := outcome(t, c, "echo", "latency.max"); o != Shown {
		t.Errorf("the maximum is judged: %s", o)
	}
	if o := outcome(t, c, "echo", "received_rate"); o != Same {
		t.Errorf("received_rate is %s", o)
	}
	if !c.Regressed() || c.ExitCode() != ExitRegression {
		t.Errorf("regressed %v, exit code %d", c.Regressed(), c.ExitCode())
	}
	back := compared(t, sample(2, 1.5), sample(1, 1))
	if o := outcome(t, back, "echo", "latency.p99"); o != Better || back.Regressed() {
		t.Errorf("the other way round p99 is %s, regressed %v", o, back.Regressed())
	}
	wide, err := Compare(sample(1, 1), sample(2, 1.5), CompareOptions{Tolerance: .9})
	if err != nil || wide.Regressed() {
		t.Errorf("with a tolerance of 90 %%: regressed %v, %v", wide.Regressed(), err)
	}
}

func TestCompareFigures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		change   func(b *Report)
		scenario string
		metric   string
		want     Outcome
	}{
		{"faults", func(b *Report) { b.Scenarios[0].Measured.Counts.Lost += 500 }, "echo", "faults", Worse},
		{"one fault", func(b *Report) { b.Scenarios[0].Measured.Counts.Lost++ }, "echo", "faults", Same},
		{"failures", func(b *Report) { b.Scenarios[0].Setup.Counts.ConnectFailed += 100 }, "echo", "failures", Worse},
		{"rate", func(b *Report) {
			s := &b.Scenarios[0]
			s.Measured.Counts.Received = s.Measured.Counts.Received * 8 / 10
			for i := range s.Series {
				s.Series[i].Received *= .8
			}
		}, "echo", "received_rate", Worse},
		{"higher rate", func(b *Report) {
			s := &b.Scenarios[0]
			s.Measured.Counts.Received = s.Measured.Counts.Received * 12 / 10
			for i := range s.Series {
				s.Series[i].Received *= 1.2
			}
		}, "echo", "received_rate", Better},
		{"storm", func(b *Report) { b.Scenarios[3].Storms[1].P99 *= 1.2 }, "storm", "back.p99", Worse},
		{"storm, little", func(b *Report) { b.Scenarios[3].Storms[1].P99 *= 1.08 }, "storm", "back.p99", Same},
		{"memory", func(b *Report) { b.Servers[0].PerConn *= 1.2 }, "", "rss_per_conn", Worse},
		{"memory, little", func(b *Report) { b.Servers[0].PerConn *= 1.08 }, "", "rss_per_conn", Same},
		{"CPU", func(b *Report) {
			b.Servers[0].CPUPerMRecv *= 2
			for i := range b.Servers[0].Series {
				b.Servers[0].Series[i].CPU *= 2
			}
		}, "", "cpu_per_m_recv", Worse},
		{"CPU, one peak", func(b *Report) {
			b.Servers[0].CPUPerMRecv *= 1.1
			b.Servers[0].Series[20].CPU *= 4
		}, "", "cpu_per_m_recv", Same},
		{"CPU without series", func(b *Report) { b.Servers[0].CPUPerMRecv *= 2; b.Servers[0].Series = nil }, "", "cpu_per_m_recv", Shown},
		{"search", func(b *Report) { b.Search.Best = 30000 }, "", "search.best", Worse},
		{"search of the client", func(b *Report) { b.Search.Best, b.Search.Bound = 30000, "client" }, "", "search.best", Shown},
		{"model", func(b *Report) { b.Scenarios[0].Model = "closed" }, "echo", "latency.p99", Shown},
	}
	a := sample(1, 1)
	for _, tt := range tests {
		b := sample(1, 1)
		tt.change(b)
		if got := outcome(t, compared(t, a, b), tt.scenario, tt.metric); got != tt.want {
			t.Errorf("%s: %s is %s, want %s", tt.name, tt.metric, got, tt.want)
		}
	}
}

// TestCompareBadSecond: one stall moves p99.9 of all, but is no other server.
func TestCompareBadSecond(t *testing.T) {
	t.Parallel()
	a, b := sample(1, 1), sample(2, 1)
	s := &b.Scenarios[0]
	s.Measured.Hist(stats.Latency).RecordN(200*time.Millisecond, 300)
	s.Summarise()
	s.Series[20].P99, s.Series[20].Max = 200, 200
	if o := outcome(t, compared(t, a, b), "echo", "latency.p99"); o != Same {
		t.Errorf("p99 is %s", o)
	}
}

func TestCompareWarnings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		change func(b *Report)
		want   string
		judged bool
	}{
		{func(b *Report) { b.Verdict = NoResult }, "the second run ended with no result", false},
		{func(b *Report) { b.Verdict = Errored }, "the second run ended with error", false},
		{func(b *Report) { b.Client.Bottleneck = true }, "the client was the bottleneck of the second run", false},
		{func(b *Report) { b.Verdict = Interrupted }, "was interrupted", true},
		{func(b *Report) { b.Verdict = Passed }, "the verdicts differ: failed, passed", true},
		{func(b *Report) { b.Scenarios[0].Model = "closed" }, "scenario echo: open model, closed model", true},
		{func(b *Report) { b.Plan = json.RawMessage(`{"name":"x","duration":10000000000,"workers":4}`) }, "the plans differ: duration 30000000000 → 10000000000, workers none → 4", true},
		{func(b *Report) { b.Plan = json.RawMessage(`{`) }, "the plans differ: one of them cannot be read", true},
		{func(b *Report) { b.Environment.Kernel = "5.4" }, "the environments differ: kernel 6.18.2 → 5.4", true},
		{func(b *Report) { b.Environment.Sysctls = nil }, "net.core.somaxconn 128 → none", true},
	}
	a := sample(1, 1)
	for _, tt := range tests {
		b := sample(1, 2)
		tt.change(b)
		c := compared(t, a, b)
		if !slices.ContainsFunc(c.Warnings, func(w string) bool { return strings.Contains(w, tt.want) }) {
			t.Errorf("warnings %q, want %q", c.Warnings, tt.want)
		}
		if c.Judged != tt.judged || c.Regressed() != tt.judged || !tt.judged && c.ExitCode() != ExitNoResult {
			t.Errorf("%s: judged %v, regressed %v, exit code %d", tt.want, c.Judged, c.Regressed(), c.ExitCode())
		}
	}
}

func TestCompareScenarios(t *testing.T) {
	t.Parallel()
	a, b := sample(1, 1), sample(1, 1)
	b.Scenarios[0].Name = "other"
	c := compared(t, a, b)
	if !slices.Equal(c.OnlyA, []string{"echo"}) || !slices.Equal(c.OnlyB, []string{"other"}) || c.ExitCode() != ExitRegression {
		t.Errorf("only a %q, only b %q, exit code %d", c.OnlyA, c.OnlyB, c.ExitCode())
	}
	for _, tt := range []struct {
		change func(b *Report)
		want   string
	}{
		{func(b *Report) { b.Scenarios = nil }, "no scenario in common"},
		{func(b *Report) { b.Scenarios[0].Kind = "push" }, `scenario "echo" is echo`},
	} {
		b := sample(1, 1)
		tt.change(b)
		if _, err := Compare(a, b, CompareOptions{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
	a.Scenarios[1].Name = "echo"
	if _, err := Compare(a, b, CompareOptions{}); err == nil || !strings.Contains(err.Error(), "two scenarios") {
		t.Errorf("two of a name: %v", err)
	}
	if _, err := Compare(b, b, CompareOptions{Tolerance: 1}); err == nil {
		t.Error("a tolerance of 100 % is taken")
	}
}

func TestCompareOutput(t *testing.T) {
	t.Parallel()
	b := sample(2, 1.5)
	b.Environment.Kernel, b.Verdict = "6.19.0", Passed
	c := compared(t, sample(1, 1), b)
	var text, again bytes.Buffer
	if err := c.Text(&text, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "compare.txt", text.Bytes())
	if err := c.JSON(&again); err != nil {
		t.Fatal(err)
	}
	golden(t, "compare.json", again.Bytes())
	var read Comparison
	if err := json.Unmarshal(again.Bytes(), &read); err != nil || read.Schema != ComparisonSchema || len(read.Scenarios) != 6 {
		t.Errorf("read back: %v, %+v", err, read)
	}
	h := hostile()
	for i := range h.Scenarios {
		h.Scenarios[i].Name += string(rune('a' + i))
	}
	text.Reset()
	if err := compared(t, h, h).Text(&text, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(text.String(), "\x1b\x07\r\x00") {
		t.Errorf("control characters are written: %q", text.String())
	}
}
