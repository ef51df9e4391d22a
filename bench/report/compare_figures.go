package report

import (
	"math"
	"slices"
	"strings"

	"carillon/bench/stats"
)

// figureOf is one figure that is compared.
type figureOf struct {
	metric string // as in a condition
	higher bool   // is better
	noise  func() (within, known bool)
	// strict says how many times the tolerance a change has to exceed.
	strict float64
	shown  bool // never judged
}

// scenario compares the figures of a scenario.
func (c *Comparison) scenario(a, b *Scenario) []Change {
	var all []Change
	add := func(f figureOf) {
		q, reason := quantityOf(strings.TrimSuffix(f.metric, "%"), strings.HasSuffix(f.metric, "%"))
		if reason != "" {
			panic("BUG: " + f.metric + ": " + reason)
		}
		va, errA := q.value(a, nil)
		vb, errB := q.value(b, nil)
		if errA == nil && errB == nil && (va != 0 || vb != 0) {
			all = append(all, c.change(f, q.dimension(), va, vb))
		}
	}
	for _, m := range []stats.Metric{stats.Latency, stats.Publish, stats.TCP, stats.TLS, stats.Upgrade, stats.FirstMessage, stats.Connect} {
		for _, f := range []struct {
			name     string
			quantile float64
			series   func(*Point) float64
		}{
			{"p50", .5, func(p *Point) float64 { return p.P50 }},
			{"p90", .9, nil},
			{"p99", .99, func(p *Point) float64 { return p.P99 }},
			{"p99.9", .999, func(p *Point) float64 { return p.Max }},
			{"max", 1, nil},
		} {
			add(figureOf{
				metric: m.String() + "." + f.name, shown: f.name == "max" || a.Model != b.Model,
				noise: func() (bool, bool) {
					ha, hb := histOf(a, m), histOf(b, m)
					if ha.Count() == 0 || hb.Count() == 0 {
						return false, false
					}
					if !quantilesDiffer(ha, hb, f.quantile) {
						return true, true
					}
					if m != stats.Latency || f.series == nil {
						return false, true
					}
					sa, sb := answered(a, f.series), answered(b, f.series)
					if len(sa) < fewest || len(sb) < fewest {
						return false, true // too short for the rank test: the intervals decide
					}
					return !differ(sa, sb), true
				},
			})
		}
	}
	for _, f := range []struct {
		name   string
		series func(*Point) float64
	}{
		{"sent_rate", func(p *Point) float64 { return p.Sent }},
		{"received_rate", func(p *Point) float64 { return p.Received }},
		{"published_rate", func(p *Point) float64 { return p.Published }},
		{"connected_rate", func(p *Point) float64 { return p.Connects }},
	} {
		add(figureOf{metric: f.name, higher: true, noise: func() (bool, bool) {
			sa, sb := rateSeries(a, f.series), rateSeries(b, f.series)
			return !differ(sa, sb), len(sa) >= fewest && len(sb) >= fewest
		}})
	}
	for _, name := range []string{"faults%", "failures%"} {
		add(figureOf{metric: name, noise: func() (bool, bool) {
			q, _ := quantityOf(strings.TrimSuffix(name, "%"), true)
			na, ofA := q.(shareOf).parts(a)
			nb, ofB := q.(shareOf).parts(b)
			return !sharesDiffer(na, ofA, nb, ofB), true
		}})
	}
	for _, name := range []string{"back.p50", "back.p99", "back.max"} {
		add(figureOf{metric: name, strict: 2})
	}
	return all
}

// whole compares the figures of the server and of the search.
func (c *Comparison) whole(a, b *Report) []Change {
	var all []Change
	cpu := func() (bool, bool) {
		sa, sb := cpuSeries(a), cpuSeries(b)
		return !differ(sa, sb), len(sa) >= fewest && len(sb) >= fewest
	}
	for _, f := range []figureOf{
		{metric: "cpu", noise: cpu, shown: true}, // more of it may come of more work
		{metric: "cpu_per_m_sent", noise: cpu},
		{metric: "cpu_per_m_recv", noise: cpu},
		{metric: "rss", strict: 2},
		{metric: "rss_per_conn", strict: 2},
	} {
		q, _ := quantityOf(f.metric, false)
		va, errA := q.value(nil, a)
		vb, errB := q.value(nil, b)
		if errA == nil && errB == nil {
			all = append(all, c.change(f, q.dimension(), va, vb))
		}
	}
	if a.Search != nil && b.Search != nil && a.Search.Goal == b.Search.Goal && a.Search.Of == b.Search.Of {
		d := count
		if a.Search.Of == "rate" {
			d = perSecond
		}
		// Where the client or the limit ended a search, the server's best is not known.
		bound := a.Search.Bound == "server" && b.Search.Bound == "server"
		all = append(all, c.change(figureOf{metric: "search.best", higher: true, strict: 2, shown: !bound}, d, a.Search.Best, b.Search.Best))
	}
	return all
}

// change judges one figure.
func (c *Comparison) change(f figureOf, d dimension, a, b float64) Change {
	change := Change{Metric: f.metric, Unit: units[d][0].name, A: a, B: b, Outcome: Shown}
	if d == share {
		change.Metric, change.Unit = strings.TrimSuffix(f.metric, "%"), ""
	}
	if a != 0 {
		ratio := b / a
		change.Ratio = &ratio
	}
	change.Within = math.Abs(b-a) <= c.Tolerance*max(f.strict, 1)*math.Abs(a)
	known := true
	if f.noise != nil {
		change.Noise, known = f.noise()
	}
	switch {
	case f.shown || !c.Judged || !known:
	case change.Noise || change.Within:
		change.Outcome = Same
	case (b > a) == f.higher:
		change.Outcome = Better
	default:
		change.Outcome = Worse
	}
	return change
}

// histOf is the histogram that the report's figures of m are from.
func histOf(s *Scenario, m stats.Metric) *stats.Hist {
	if h := s.Measured.Hists[m]; h.Count() > 0 {
		return h
	}
	return s.Setup.Hists[m]
}

// measuredSeries is a member of the seconds of the measured period.
func measuredSeries(s *Scenario, member func(*Point) float64) []float64 {
	var all []float64
	for i := range s.Series {
		if p := &s.Series[i]; p.Phase == "measure" {
			all = append(all, member(p))
		}
	}
	return all
}

// rateSeries is a rate over the measured period; of a scenario that only
// connects, over the time in which it did.
func rateSeries(s *Scenario, member func(*Point) float64) []float64 {
	if s.Kind != "connect" {
		return measuredSeries(s, member)
	}
	var all []float64
	for i := range s.Series {
		if v := member(&s.Series[i]); v > 0 {
			all = append(all, v)
		}
	}
	return all
}

// answered leaves out the seconds in which nothing was answered.
func answered(s *Scenario, member func(*Point) float64) []float64 {
	all := measuredSeries(s, func(p *Point) float64 {
		if p.Max == 0 {
			return math.NaN()
		}
		return member(p)
	})
	return slices.DeleteFunc(all, math.IsNaN)
}

// cpuSeries is the CPU of all watched processes at each look during the
// measured period, per message, so that a run with another rate is not taken
// for a change of the server.
func cpuSeries(r *Report) []float64 {
	var from, to, messages float64
	for i := range r.Scenarios {
		s := &r.Scenarios[i]
		if s.Seconds > 0 {
			messages += float64(s.Measured.Counts.Sent+s.Measured.Counts.Received) / s.Seconds
		}
		for _, p := range s.Series {
			if p.Phase == "measure" {
				if from == 0 || p.T < from {
					from = p.T
				}
				to = max(to, p.T)
			}
		}
	}
	var all []float64
	for n, s := range watched(r.Servers) {
		i := 0
		for _, p := range s.Series {
			if p.T < from || p.T > to {
				continue
			}
			if n == 0 {
				all = append(all, 0)
			}
			if i < len(all) {
				all[i] += p.CPU / max(messages, 1)
			}
			i++
		}
	}
	return all
}
