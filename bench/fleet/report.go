package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"carillon/bench/engine"
	"carillon/bench/plan"
	"carillon/bench/report"
	"carillon/bench/stats"
	"carillon/bench/watch"
)

// report makes the report of the run. err is why it could not go on, or nil.
func (r *run) report(err error) *report.Report {
	res := r.best
	if res == nil && len(r.results) > 0 {
		res = r.results[len(r.results)-1]
	}
	if res == nil {
		res = &stageResult{plan: r.p, scale: 1, ramp: r.ramp, storms: r.storms, slow: r.slow}
	}
	rep := r.assemble(res)
	rep.Search = r.search
	if err == nil {
		err = r.failed
	}
	limit := errors.Is(r.wish.Err(), context.DeadlineExceeded)
	switch {
	case isNobody(err):
		rep.Verdict = report.Failed
		rep.Reasons = append(rep.Reasons, err.Error())
	case err != nil:
		rep.Verdict = report.Errored
		rep.Reasons = append(rep.Reasons, err.Error())
	case limit:
		rep.Verdict = report.Interrupted
		rep.Reasons = append(rep.Reasons, fmt.Sprintf("the limit of %s was reached", r.p.Limit))
	case r.ended():
		rep.Verdict = report.Interrupted
		rep.Reasons = append(rep.Reasons, "ended early")
	default:
		rep.Verdict = report.Passed
	}
	var checks []*report.Expr
	for _, text := range r.p.FailIf {
		if c, err := report.ParseCheck(text); err == nil { // a complete plan has no other
			checks = append(checks, c)
		}
	}
	rep.Judge(checks)
	return rep
}

// assemble makes a report of one measured period.
func (r *run) assemble(res *stageResult) *report.Report {
	masked, _ := json.Marshal(r.p.Masked())
	rep := &report.Report{
		Schema: report.Schema, ID: r.id, Name: r.p.Name, Started: r.started.UTC(),
		Seconds: time.Since(r.started).Seconds(), Command: r.opt.Command, Seed: r.p.Seed,
		Plan: masked, Servers: res.servers, Environment: r.environment(),
	}
	r.mu.Lock()
	rep.Warnings = slices.Clone(r.warnings)
	r.mu.Unlock()
	for i := range r.p.Scenarios {
		rep.Scenarios = append(rep.Scenarios, r.scenario(i, res))
	}
	rep.Client = r.client(res, rep.Scenarios)
	reasons := r.opt.Judge(&rep.Client, rep.Scenarios)
	if rep.Client.Bottleneck = len(reasons) > 0; rep.Client.Bottleneck {
		rep.Reasons = append(rep.Reasons, reasons...)
	}
	return rep
}

// scenario makes the report of one scenario.
func (r *run) scenario(i int, res *stageResult) report.Scenario {
	p := &res.plan.Scenarios[i]
	s := report.Scenario{
		Name: p.Name, Kind: string(p.Kind), Model: string(p.Model), Target: plan.MaskURL(p.URL),
		Seconds: res.seconds,
	}
	if p.Model == plan.Open {
		s.Rate = p.OpsRate() * res.scale
	}
	if i < len(res.measured) {
		s.Measured.Add(&res.measured[i])
	}
	if r.tally != nil {
		r.tally.mu.Lock()
		t := r.tally.scen[i]
		s.Setup.Add(&t.setup)
		s.Connections = t.peak
		s.Series = slices.Clone(t.series)
		r.tally.mu.Unlock()
	}
	if i < len(res.own) {
		s.Setup, s.Connections = stats.Totals{}, res.own[i].peak
		s.Setup.Add(&res.own[i].setup)
	} else {
		for _, x := range r.results { // the other steps of a search, on the same connections
			if x != res {
				s.Setup.Add(&x.measured[i])
			}
		}
	}
	s.Storms = stormsOf(res.storms, i, p, r.started)
	s.Slow = slowOf(res.slow, i, p)
	if p.Kind == plan.Soak {
		s.Leak = slopes(&s, res)
	}
	s.Summarise()
	return s
}

// stormsOf merges the cycles of all workers.
func stormsOf(cycles []engine.StormCycle, scenario int, p *plan.Scenario, started time.Time) (all []report.Storm) {
	if p.Storm == nil {
		return nil
	}
	type merged struct {
		engine.StormCycle
		times stats.Hist
	}
	byCycle := make(map[int]*merged)
	last := -1
	for _, c := range cycles {
		if c.Scenario != scenario {
			continue
		}
		last = max(last, c.Cycle)
		m := byCycle[c.Cycle]
		if m == nil {
			m = &merged{}
			m.At = c.At
			byCycle[c.Cycle] = m
		}
		m.At = min(m.At, c.At)
		m.Dropped += c.Dropped
		m.Back += c.Back
		m.Attempts += c.Attempts
		m.Failures += c.Failures
		m.Abandoned += c.Abandoned
		m.times.Merge(c.Times)
		for s, n := range c.PerSecond {
			for len(m.PerSecond) <= s {
				m.PerSecond = append(m.PerSecond, 0)
			}
			m.PerSecond[s] += n
		}
	}
	text := "none"
	if b := p.Storm.Backoff; b != nil {
		text = fmt.Sprintf("%s x%g up to %s, jitter %g", b.Base, b.Factor, b.Max, b.Jitter)
	}
	for i := 0; i <= last; i++ {
		m := byCycle[i]
		if m == nil {
			continue
		}
		x := report.Storm{
			T:       time.Since(started).Seconds() - float64(engine.Now()-m.At)/1e9,
			Dropped: m.Dropped, Back: m.Back, Attempts: m.Attempts, Failures: m.Failures,
			Abandoned: m.Abandoned, Backoff: text,
		}
		// A share of those who dropped, not of those who came back.
		share := func(q float64) float64 {
			if m.Dropped == 0 || float64(m.Back) < q*float64(m.Dropped) {
				return 0
			}
			return m.times.Quantile(q * float64(m.Dropped) / float64(m.Back)).Seconds()
		}
		x.Half, x.P99, x.All = share(.5), share(.99), share(1)
		if len(m.PerSecond) > 0 {
			x.PeakRate = float64(slices.Max(m.PerSecond))
		}
		all = append(all, x)
	}
	return all
}

// slowOf merges what all workers saw of a scenario's slow clients.
func slowOf(seen []engine.SlowSeen, scenario int, p *plan.Scenario) *report.Slow {
	if p.Slow == nil {
		return nil
	}
	s := &report.Slow{Rate: float64(p.Slow.Rate), Causes: make(map[stats.Cause]int64)}
	for _, x := range seen {
		if x.Scenario != scenario {
			continue
		}
		s.Clients += x.Clients
		s.Read += x.Read
		s.Closed += x.Closed
		s.Left += x.Left
		for c, n := range x.Causes {
			s.Causes[c] += n
		}
	}
	return s
}

// slopes fits lines through what may leak.
func slopes(s *report.Scenario, res *stageResult) (all []report.Slope) {
	var xs, p99, open []float64
	for _, p := range s.Series {
		if p.Phase == string(measure) {
			latency := p.P99
			if p.Max == 0 {
				latency = math.NaN() // nothing was answered, which is no latency of 0
			}
			xs, p99, open = append(xs, p.T), append(p99, latency), append(open, float64(p.Open))
		}
	}
	for _, srv := range res.servers {
		var at, rss []float64
		for _, p := range srv.Series {
			if p.T >= res.from && p.T <= res.to && p.RSS > 0 {
				at, rss = append(at, p.T), append(rss, float64(p.RSS)/1024)
			}
		}
		if len(at) > 2 {
			all = append(all, watch.Slope("rss "+srv.Source, "KiB/h", at, rss))
		}
	}
	if len(xs) > 2 {
		all = append(all, watch.Slope("p99 latency", "ms/h", xs, p99), watch.Slope("open connections", "1/h", xs, open))
	}
	return all
}

// enoughConns is how many connections it takes for their memory to stand out
// from what a process has anyway.
const enoughConns = 1000

// client is what the load generator saw of itself.
func (r *run) client(res *stageResult, scenarios []report.Scenario) report.Client {
	c := report.Client{
		Workers: len(r.links), Agents: len(r.p.Agents),
		Late: report.Summary(&res.late), Lag: report.Summary(&res.lag), Ticks: res.ticks, DroppedTick: res.missed,
	}
	for i := range r.machines {
		m := &r.machines[i]
		c.Loops += m.place.Workers * r.loopsOf(m)
	}
	if m := res.ramp; m.open >= enoughConns && m.after > m.before {
		c.PerConn = float64(m.after-m.before) / float64(m.open)
	}
	var sent, received int64
	for i := range scenarios {
		n := &scenarios[i].Measured.Counts
		sent += n.Sent
		received += n.Received
		c.Dropped += n.Dropped
	}
	res.usage.Fill(&c, sent, received)
	for _, l := range r.links {
		c.ClockError = max(c.ClockError, float64(l.error)/1e6)
	}
	return c
}

// environment is this machine's, with those of agents in it.
func (r *run) environment() report.Environment {
	env := watch.Environment()
	for i := range r.machines {
		if r.machines[i].agent >= 0 {
			e := r.machines[i].env
			e.Host = strings.TrimSpace(e.Host + " " + r.machines[i].name)
			env.Agents = append(env.Agents, e)
		}
	}
	return env
}
