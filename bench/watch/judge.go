package watch

import (
	"fmt"
	"math"
	"strconv"

	"carillon/bench/report"
	"carillon/bench/stats"
)

// When the client counts as the bottleneck. The figures of a run are worth
// nothing when what the client adds to them by itself is not small beside them.
const (
	// lateFloor is what lateness and lag may reach however fast the server is:
	// a garbage collection or a time slice given to another process.
	lateFloor = 5.0 // ms

	// lateShare is what they may reach as a share of the latency measured.
	lateShare = 0.2

	// droppedShare of the arrivals may be given up.
	droppedShare = 0.001

	// begunShare of the arrivals that the server did not refuse has to be begun,
	// and of the rate that was asked for has to be due.
	begunShare = 0.995

	// cpuFull is the share of its processors at which a client has no reserve,
	// and lag beyond cpuFloor or cpuLate of the latency shows that it needed one.
	cpuFull  = 0.9
	cpuFloor = 1.0 // ms
	cpuLate  = 0.1

	// tailSamples is how many samples a 99th percentile needs: with fewer it is
	// the maximum, and one hiccup is not a bottleneck. The median counts then.
	tailSamples = 100

	// rateDeviations is how many standard deviations a random number of arrivals
	// may lie below its mean.
	rateDeviations = 4
)

// What to do about a client that is the bottleneck.
const (
	fixMore = "use more workers (--workers), more machines (--agents) or a lower rate"
	fixCPU  = "use more machines (--agents) or a lower rate"
)

// Judge decides whether the client, not the server, was the bottleneck of a
// run, and returns the reasons, one sentence each; none means that it was not.
// It is so when, in any scenario,
//
//   - operations of the open model began late: p99 of the lateness over 5 ms and
//     over a fifth of the latency's p99;
//   - event loops were slow to look at what had come: p99 of their lag over the
//     same bounds;
//   - more than 0.1 % of the arrivals were dropped;
//   - less than 99.5 % of the arrivals were begun, those left out that the server
//     refused or whose connections ended;
//   - less than 99.5 % of the rate asked for was due at all, although the server
//     refused nothing and ended nothing;
//   - the client used over 90 % of its processors and its lag's p99 was over 1 ms
//     and over a tenth of the latency's p99.
//
// Below 100 samples the median stands for the p99. It reads c and scenarios and
// changes neither.
func Judge(c *report.Client, scenarios []report.Scenario) (reasons []string) {
	for i := range scenarios {
		s := &scenarios[i]
		latency := tail(scenarioLatency(s))
		lag := c.Lag
		if h := s.Measured.Hists[stats.LoopLag]; h.Count() > 0 {
			lag = report.Summary(h)
		}
		reasons = append(reasons, judgeTimes(c, s, latency, lag)...)
		reasons = append(reasons, judgeCounts(s)...)
	}
	return reasons
}

// judgeTimes looks at what the client adds to latencies.
func judgeTimes(c *report.Client, s *report.Scenario, latency float64, lag report.Latency) (reasons []string) {
	bound := max(lateFloor, lateShare*latency)
	late := tail(report.Summary(s.Measured.Hists[stats.Lateness]))
	if s.Model != "closed" && late > bound {
		reasons = append(reasons, fmt.Sprintf("%s: the client began operations up to %s ms late (p99), over the bound of %s ms beside a latency of %s ms; %s",
			s.Name, milli(late), milli(bound), milli(latency), fixMore))
	}
	switch lags := tail(lag); {
	case lags > bound:
		reasons = append(reasons, fmt.Sprintf("%s: the client's event loops lagged by %s ms (p99), over the bound of %s ms beside a latency of %s ms; %s",
			s.Name, milli(lags), milli(bound), milli(latency), fixMore))
	case c.CPUShare > cpuFull && lags > max(cpuFloor, cpuLate*latency):
		reasons = append(reasons, fmt.Sprintf("%s: the client used %s %% of its processors and its event loops lagged by %s ms (p99) beside a latency of %s ms; %s",
			s.Name, percent(c.CPUShare), milli(lags), milli(latency), fixCPU))
	}
	return reasons
}

// judgeCounts looks at what the client did not do.
func judgeCounts(s *report.Scenario) (reasons []string) {
	n := &s.Measured.Counts
	due := float64(n.Arrivals)
	if float64(n.Dropped) > droppedShare*due {
		reasons = append(reasons, fmt.Sprintf("%s: the client dropped %s of %s operations that were due, over the bound of %s %%; %s",
			s.Name, count(n.Dropped), count(n.Arrivals), percent(droppedShare), fixMore))
	}
	if s.Model == "closed" {
		return reasons // nothing is due at a time
	}
	// Dropped ones have been judged.
	begun := n.Sent
	if publishes := n.Published + n.PublishFailed; publishes > 0 {
		begun = publishes
	}
	excused := float64(n.Refused+n.Dropped) + due*endedShare(s)
	if float64(begun)+excused < begunShare*due {
		reasons = append(reasons, fmt.Sprintf("%s: the client began %s of %s operations that were due although the server refused only %s, less than %s %%; %s",
			s.Name, count(begun), count(n.Arrivals), count(n.Refused), percent(begunShare), fixMore))
	}
	asked := s.Rate * s.Seconds
	slack := max((1-begunShare)*asked, rateDeviations*math.Sqrt(asked))
	if pacedKind(s.Kind) && n.Refused == 0 && endedShare(s) == 0 && due < asked-slack {
		reasons = append(reasons, fmt.Sprintf("%s: %s operations were due in %s s, and the rate asked for is %s; %s",
			s.Name, count(n.Arrivals), milli(s.Seconds), count(int64(asked)), fixMore))
	}
	return reasons
}

// pacedKind says whether a kind of scenario has operations at its rate: those
// that only connect have other arrivals.
func pacedKind(kind string) bool { return kind != "connect" && kind != "storm" }

// endedShare is the share of a scenario's connections that did not come to be
// or ended by the server, and what they would have done with them.
func endedShare(s *report.Scenario) float64 {
	var n int64
	for _, t := range []*stats.Totals{&s.Measured, &s.Setup} {
		n += t.Counts.Closed + t.Counts.ConnectFailed
	}
	if s.Connections <= 0 {
		return 0
	}
	return min(1, float64(n)/float64(s.Connections))
}

// scenarioLatency is the latency that a scenario is about: its own, or that of
// its connects when it does nothing else.
func scenarioLatency(s *report.Scenario) report.Latency {
	for _, m := range []stats.Metric{stats.Latency, stats.Connect} {
		if h := s.Measured.Hists[m]; h.Count() > 0 {
			return report.Summary(h)
		}
	}
	return report.Latency{}
}

// tail is the 99th percentile, or the median of few samples.
func tail(l report.Latency) float64 {
	if l.Count < tailSamples {
		return l.P50
	}
	return l.P99
}

func milli(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

func percent(share float64) string { return strconv.FormatFloat(share*100, 'g', 3, 64) }
