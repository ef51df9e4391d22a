package watch

import (
	"strings"
	"testing"
	"time"

	"carillon/bench/report"
	"carillon/bench/stats"
)

// sound is a scenario of the open model that a client carried out well:
// 100,000 operations with a latency of 10 ms.
func sound() report.Scenario {
	s := report.Scenario{Name: "echo", Kind: "echo", Model: "open", Connections: 1000, Rate: 10_000, Seconds: 10}
	s.Measured.Counts = stats.Counts{Arrivals: 100_000, Sent: 100_000, Received: 100_000, OK: 100_000}
	record(&s, stats.Latency, 10*time.Millisecond, 100_000)
	record(&s, stats.Lateness, 100*time.Microsecond, 100_000)
	record(&s, stats.LoopLag, 100*time.Microsecond, 100_000)
	return s
}

// record has a metric be d throughout.
func record(s *report.Scenario, m stats.Metric, d time.Duration, n int64) {
	s.Measured.Hist(m).Reset()
	s.Measured.Hist(m).RecordN(d, n)
}

// tailed has a metric be d in 2 % of the samples and nothing in the others.
func tailed(s *report.Scenario, m stats.Metric, d time.Duration, n int64) {
	record(s, m, 0, n-n/50)
	s.Measured.Hist(m).RecordN(d, n/50)
}

func TestJudge(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, c := range []struct {
		name   string
		change func(c *report.Client, s *report.Scenario)
		want   string // in the only reason; "": no reason
	}{
		{"all is well", func(*report.Client, *report.Scenario) {}, ""},
		{"nothing was measured", func(_ *report.Client, s *report.Scenario) { s.Measured = stats.Totals{}; s.Rate = 0 }, ""},

		{"late", func(_ *report.Client, s *report.Scenario) { tailed(s, stats.Lateness, 6*ms, 100_000) }, "began operations up to 6.0 ms late (p99), over the bound of 5.0 ms"},
		{"late within the floor", func(_ *report.Client, s *report.Scenario) { record(s, stats.Lateness, 4900*time.Microsecond, 100_000) }, ""},
		{"late in the last 0.5 % only", func(_ *report.Client, s *report.Scenario) {
			record(s, stats.Lateness, 0, 99_500)
			s.Measured.Hist(stats.Lateness).RecordN(time.Second, 500)
		}, ""},
		{"late, but little beside the latency", func(_ *report.Client, s *report.Scenario) {
			record(s, stats.Lateness, 15*ms, 100_000)
			record(s, stats.Latency, 100*ms, 100_000)
		}, ""},
		{"late beside the latency", func(_ *report.Client, s *report.Scenario) {
			record(s, stats.Lateness, 25*ms, 100_000)
			record(s, stats.Latency, 100*ms, 100_000)
		}, "over the bound of 20"},
		{"late in the closed model", func(_ *report.Client, s *report.Scenario) {
			s.Model = "closed"
			record(s, stats.Lateness, time.Second, 100_000)
		}, ""},
		{"one of few was late", func(_ *report.Client, s *report.Scenario) {
			record(s, stats.Lateness, 0, 20)
			s.Measured.Hist(stats.Lateness).Record(time.Second)
		}, ""},
		{"most of few were late", func(_ *report.Client, s *report.Scenario) { record(s, stats.Lateness, time.Second, 20) }, "began operations"},
		{"late and never answered", func(_ *report.Client, s *report.Scenario) {
			s.Measured.Hist(stats.Latency).Reset()
			record(s, stats.Lateness, 6*ms, 100_000)
		}, "began operations"},
		{"late connects", func(_ *report.Client, s *report.Scenario) {
			s.Kind, s.Measured.Hists = "connect", nil
			record(s, stats.Connect, 100*ms, 1000)
			record(s, stats.Lateness, 30*ms, 1000)
		}, "beside a latency of 100"},

		{"lag", func(_ *report.Client, s *report.Scenario) { tailed(s, stats.LoopLag, 6*ms, 100_000) }, "event loops lagged by 6.0 ms"},
		{"lag of the whole client", func(c *report.Client, s *report.Scenario) {
			delete(s.Measured.Hists, stats.LoopLag)
			c.Lag = report.Latency{Count: 1000, P50: 0, P99: 7}
		}, "event loops lagged by 7.0 ms"},
		{"lag in the closed model", func(_ *report.Client, s *report.Scenario) {
			s.Model = "closed"
			record(s, stats.LoopLag, 6*ms, 100_000)
		}, "event loops lagged"},
		{"lag, but little beside the latency", func(_ *report.Client, s *report.Scenario) {
			record(s, stats.LoopLag, 6*ms, 100_000)
			record(s, stats.Latency, 100*ms, 100_000)
		}, ""},

		{"full processors without lag", func(c *report.Client, _ *report.Scenario) { c.CPUShare = 1 }, ""},
		{"full processors with lag", func(c *report.Client, s *report.Scenario) {
			c.CPUShare = 0.95
			record(s, stats.LoopLag, 2*ms, 100_000)
		}, "used 95 % of its processors and its event loops lagged by 2.0 ms"},
		{"lag and a reserve", func(c *report.Client, s *report.Scenario) {
			c.CPUShare = 0.89
			record(s, stats.LoopLag, 2*ms, 100_000)
		}, ""},
		{"full processors with lag, but little beside the latency", func(c *report.Client, s *report.Scenario) {
			c.CPUShare = 1
			record(s, stats.LoopLag, 2*ms, 100_000)
			record(s, stats.Latency, 30*ms, 100_000)
		}, ""},

		{"dropped", func(_ *report.Client, s *report.Scenario) {
			s.Measured.Counts.Dropped, s.Measured.Counts.Sent = 101, 99_899
		}, "dropped 101 of 100,000"},
		{"dropped within the bound", func(_ *report.Client, s *report.Scenario) {
			s.Measured.Counts.Dropped, s.Measured.Counts.Sent = 100, 99_900
		}, ""},
		{"dropped many", func(_ *report.Client, s *report.Scenario) {
			s.Measured.Counts.Dropped, s.Measured.Counts.Sent = 50_000, 50_000
		}, "dropped 50,000"},

		{"not begun", func(_ *report.Client, s *report.Scenario) { s.Measured.Counts.Sent = 99_400 }, "began 99,400 of 100,000"},
		{"not begun within the bound", func(_ *report.Client, s *report.Scenario) { s.Measured.Counts.Sent = 99_500 }, ""},
		{"not begun, for the server refused", func(_ *report.Client, s *report.Scenario) {
			s.Measured.Counts.Sent, s.Measured.Counts.Refused = 10_000, 90_000
		}, ""},
		{"refused some, not begun more", func(_ *report.Client, s *report.Scenario) {
			s.Measured.Counts.Sent, s.Measured.Counts.Refused = 10_000, 80_000
		}, "refused only 80,000"},
		{"not begun, for connections ended", func(_ *report.Client, s *report.Scenario) {
			s.Measured.Counts.Sent, s.Measured.Counts.Closed = 91_000, 100
		}, ""},
		{"not begun, for connections did not come to be", func(_ *report.Client, s *report.Scenario) {
			s.Measured.Counts.Sent, s.Setup.Counts.ConnectFailed = 91_000, 100
		}, ""},
		{"not begun in the closed model", func(_ *report.Client, s *report.Scenario) {
			s.Model, s.Measured.Counts.Sent = "closed", 1
		}, ""},
		{"publishes", func(_ *report.Client, s *report.Scenario) {
			s.Kind, s.Measured.Counts.Sent, s.Measured.Counts.Published, s.Measured.Counts.PublishFailed = "broadcast", 0, 60_000, 40_000
		}, ""},
		{"publishes not begun", func(_ *report.Client, s *report.Scenario) {
			s.Kind, s.Measured.Counts.Published = "broadcast", 60_000
		}, "began 60,000 of 100,000"},

		{"less due than asked for", func(_ *report.Client, s *report.Scenario) {
			s.Measured.Counts.Arrivals, s.Measured.Counts.Sent = 90_000, 90_000
		}, "90,000 operations were due in 10.0 s, and the rate asked for is 100,000"},
		{"less due than asked for, by chance", func(_ *report.Client, s *report.Scenario) {
			s.Measured.Counts.Arrivals, s.Measured.Counts.Sent = 98_900, 98_900
		}, ""},
		{"less due than asked for, for the server refused", func(_ *report.Client, s *report.Scenario) {
			s.Measured.Counts.Arrivals, s.Measured.Counts.Sent, s.Measured.Counts.Refused = 90_000, 89_999, 1
		}, ""},
		{"less due than asked for, for connections ended", func(_ *report.Client, s *report.Scenario) {
			s.Measured.Counts.Arrivals, s.Measured.Counts.Sent, s.Measured.Counts.Closed = 90_000, 90_000, 1
		}, ""},
		{"connects have no rate of operations", func(_ *report.Client, s *report.Scenario) {
			s.Kind, s.Measured.Counts = "connect", stats.Counts{Connects: 1000, Connected: 1000}
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := sound()
			var client report.Client
			c.change(&client, &s)
			reasons := Judge(&client, []report.Scenario{sound(), s})
			switch {
			case c.want == "" && len(reasons) > 0:
				t.Errorf("got %q, want none", reasons)
			case c.want != "" && (len(reasons) != 1 || !strings.Contains(reasons[0], c.want)):
				t.Errorf("got %q, want one with %q", reasons, c.want)
			}
			for _, r := range reasons {
				if !strings.HasPrefix(r, s.Name+": ") || !strings.Contains(r, "; use more ") {
					t.Errorf("%q does not say of what, or what to do", r)
				}
			}
		})
	}
}
