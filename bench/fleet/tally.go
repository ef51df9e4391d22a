package fleet

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"carillon/bench/plan"
	"carillon/bench/report"
	"carillon/bench/stats"
)

// tally adds up what workers counted. Any goroutine.
type tally struct {
	mu      sync.Mutex
	started time.Time
	scen    []*scenarioTally
	lag     stats.Hist // of the measured period
	late    stats.Hist
	lagLast stats.Hist // since the last point
	ticks   int64      // of the measured period
	missed  int64
	last    time.Time // of the last point
}

// scenarioTally is one scenario's.
type scenarioTally struct {
	p        *plan.Scenario
	measured stats.Totals
	taken    bool         // measured is a result's: what comes now belongs to the set-up
	earlier  stats.Totals // of the periods before that are a result's
	setup    stats.Totals
	series   []report.Point
	sec      stats.Totals // since the last point
	open     int64
	peak     int64
}

func newTally(p *plan.Plan, started time.Time) *tally {
	t := &tally{started: started, last: started}
	for i := range p.Scenarios {
		t.scen = append(t.scen, &scenarioTally{p: &p.Scenarios[i]})
	}
	return t
}

// add takes the replies of all workers to one collection, which ends a point of
// the series.
func (t *tally) add(replies []reply, ph phase, ticks, missed int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	dt := max(now.Sub(t.last).Seconds(), 1e-3)
	t.last = now
	for _, s := range t.scen {
		s.open = 0
	}
	t.lagLast.Reset()
	for _, a := range replies {
		t.lagLast.Merge(a.Lag)
		for i := range a.Samples {
			x := &a.Samples[i]
			if x.Scenario >= len(t.scen) {
				continue
			}
			s := t.scen[x.Scenario]
			s.open += x.Open
			if s.taken {
				s.setup.Add(&x.Measured)
			} else {
				s.measured.Add(&x.Measured)
			}
			s.setup.Add(&x.Other)
			s.sec.Add(&x.Measured)
			s.sec.Add(&x.Other)
			t.late.Merge(x.Measured.Hists[stats.Lateness])
		}
	}
	if ph == measure {
		t.lag.Merge(&t.lagLast)
		t.ticks += ticks
		t.missed += missed
	}
	for _, s := range t.scen {
		s.peak = max(s.peak, s.open)
		s.series = append(s.series, s.point(now.Sub(t.started).Seconds(), dt, ph))
		s.sec.Reset()
	}
}

// point makes a point of the series out of what came since the last one.
func (s *scenarioTally) point(at, dt float64, ph phase) report.Point {
	c, h := &s.sec.Counts, s.sec.Hists[stats.Latency]
	sum := report.Summary(h)
	return report.Point{
		T: at, Phase: string(ph), Open: s.open,
		Connects: float64(c.Connected) / dt, Failures: float64(c.ConnectFailed+c.Closed+c.PublishFailed) / dt,
		Arrivals: float64(c.Arrivals) / dt, Sent: float64(c.Sent) / dt, Received: float64(c.Received) / dt,
		Published: float64(c.Published) / dt, P50: sum.P50, P99: sum.P99, Max: sum.Max,
	}
}

// reset begins a new measured period: what was measured before and is nobody's
// result joins the set-up.
func (t *tally) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.scen {
		if s.taken {
			s.earlier.Add(&s.measured)
		} else {
			s.setup.Add(&s.measured)
		}
		s.measured, s.taken = stats.Totals{}, false
	}
	t.lag, t.late = stats.Hist{}, stats.Hist{}
	t.ticks, t.missed = 0, 0
}

// totals are what the measured period has come to so far.
func (t *tally) totals() (open, sent, received int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.scen {
		open += s.open
		sent += s.measured.Counts.Sent
		received += s.measured.Counts.Received
	}
	return open, sent, received
}

// opened is how many connections are established.
func (t *tally) opened() (open int64) {
	open, _, _ = t.totals()
	return open
}

// connected is how many connections were established since the last renewal.
func (t *tally) connected() (n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.scen {
		n += s.setup.Counts.Connected + s.measured.Counts.Connected
	}
	return n
}

// progress is the state of the scenarios for people who watch.
func (t *tally) progress() (all []report.ScenarioProgress, lateP99, lagP99 float64, dropped int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.scen {
		var before stats.Totals
		before.Add(&s.setup)
		before.Add(&s.earlier)
		m, o := &s.measured.Counts, &before.Counts
		p := report.ScenarioProgress{
			Name: s.p.Name, Kind: string(s.p.Kind), Wanted: int64(s.p.Connections),
			Connected: m.Connected + o.Connected, ConnectFailed: m.ConnectFailed + o.ConnectFailed,
			Closed: m.Closed + o.Closed, Sent: m.Sent + o.Sent, Received: m.Received + o.Received,
			Published: m.Published + o.Published,
			Faults:    m.Lost + m.Cut + m.Duplicate + m.OutOfOrder + m.Wrong + m.PublishFailed,
			Latency:   report.Summary(s.measured.Hists[stats.Latency]),
		}
		if n := len(s.series); n > 0 {
			p.Last = s.series[n-1]
		}
		dropped += m.Dropped
		causes := maps.Clone(s.measured.Causes)
		if causes == nil {
			causes = make(map[stats.Cause]int64)
		}
		for c, n := range before.Causes {
			causes[c] += n
		}
		for c, n := range causes {
			p.TopCauses = append(p.TopCauses, report.Cause{Text: string(c.Kind) + ": " + c.Text, Count: n})
		}
		slices.SortFunc(p.TopCauses, func(a, b report.Cause) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Text, b.Text)) })
		p.TopCauses = p.TopCauses[:min(len(p.TopCauses), 5)]
		all = append(all, p)
	}
	return all, report.Summary(&t.late).P99, report.Summary(&t.lagLast).P99, dropped
}

// take moves what the measured period came to into res.
func (t *tally) take(res *stageResult) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.scen {
		var m stats.Totals
		m.Add(&s.measured)
		res.measured = append(res.measured, m)
		s.taken = true
	}
	res.lag.Merge(&t.lag)
	res.late.Merge(&t.late)
	res.ticks, res.missed = t.ticks, t.missed
}

// renew begins with other connections: nothing of those before counts any more.
func (t *tally) renew() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.scen {
		*s = scenarioTally{p: s.p, series: s.series}
	}
}

// keep gives res the connections it was measured with.
func (t *tally) keep(res *stageResult) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.scen {
		var setup stats.Totals
		setup.Add(&s.setup)
		res.own = append(res.own, ownSetup{setup, s.peak})
	}
}
