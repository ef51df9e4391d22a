package fleet

import (
	"fmt"
	"math"
	"strconv"

	"carillon/bench/plan"
	"carillon/bench/report"
)

// Bounds of a search.
const (
	searchGrowth = 2.0  // from step to step while the goal holds
	searchClose  = 1.05 // the search ends when the failed value is within this of the best
	searchSteps  = 24
	searchTries  = 2 // of a value at which the client was the bottleneck
)

// find looks for the highest value at which the goal holds: it doubles until the
// goal fails, then halves the gap. Rates are raised with the connections open;
// for another number of connections everything begins anew.
func (r *run) find() error {
	goal, err := report.ParseCheck(r.p.FindMax)
	if err != nil {
		return err
	}
	of := r.p.FindOf
	r.search = &report.Search{Goal: r.p.FindMax, Of: of}
	first, top := r.p.FindStart(), r.p.FindTop
	if of != plan.OfConnections {
		if err := r.give(r.p); err != nil {
			return err
		}
		if err := r.connect(r.p); err != nil {
			return err
		}
	}
	good, bad := 0.0, math.Inf(1)
	value, tries := first, 1
	for n := 0; n < searchSteps && !r.ended(); n++ {
		last, err := r.try(n, value, value/first, goal)
		if err != nil {
			return err
		}
		if last == nil {
			break
		}
		r.search.Steps = append(r.search.Steps, *last)
		held := last.Held
		if last.Note == clientNote && tries < searchTries && !r.ended() {
			tries++ // something else may have had the machine for a moment
			continue
		}
		tries = 1
		switch {
		case held:
			good = value
		case last.Note == clientNote:
			r.search.Bound = "client"
			bad = value
		default:
			r.search.Bound = "server"
			bad = value
		}
		switch {
		case held && value >= top:
			r.search.Bound = "limit"
			return r.found(good)
		case math.IsInf(bad, 1):
			value = min(value*searchGrowth, top)
		case good == 0:
			value = bad / searchGrowth
			if value < first/1024 || value < 1 {
				return r.found(0)
			}
		case bad/good <= searchClose:
			return r.found(good)
		default:
			value = math.Sqrt(good * bad)
		}
		if value = roundValue(value, of == plan.OfConnections); value == good || value == bad {
			return r.found(good)
		}
	}
	if math.IsInf(bad, 1) && !r.ended() {
		r.search.Bound = "limit"
	}
	return r.found(good)
}

// roundValue keeps three significant digits, so that a value can be asked for
// again; connections are whole ones.
func roundValue(v float64, whole bool) float64 {
	if v <= 0 {
		return v
	}
	if whole && v < 1000 {
		return math.Round(v)
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	return rounded
}

// clientNote is the note of a step that the client could not carry.
const clientNote = "the client was the bottleneck"

// try measures one value. The step is nil when the run was ended before there was
// anything to measure.
func (r *run) try(n int, value, scale float64, goal *report.Expr) (*report.Step, error) {
	unit := "/s"
	p := r.p
	if r.p.FindOf == plan.OfConnections {
		unit, scale = " connections", 1
		p = r.p.At(value)
	}
	r.mu.Lock()
	r.step = fmt.Sprintf("step %d: %.0f%s", n+1, value, unit)
	r.mu.Unlock()
	if r.p.FindOf == plan.OfConnections {
		if err := r.give(p); err != nil {
			return nil, err
		}
		r.tally.renew()
		r.stages = 0
		if err := r.connect(p); err != nil {
			if isNobody(err) {
				return &report.Step{Asked: value, Note: err.Error()}, nil
			}
			return nil, err
		}
	}
	res, err := r.stage(p, scale)
	if err != nil || res == nil {
		return nil, err
	}
	if r.p.FindOf == plan.OfConnections {
		if err := r.disconnect(); err != nil {
			return nil, err
		}
		r.tally.keep(res)
	}
	rep := r.assemble(res)
	step := &report.Step{Asked: value, Held: true}
	first := true
	for i := range rep.Scenarios {
		s := &rep.Scenarios[i]
		if goal.Scenario() != "" && goal.Scenario() != s.Name {
			continue
		}
		ok, v, err := goal.Holds(s, rep.Servers)
		if err != nil {
			step.Held, step.Note = false, err.Error()
			continue
		}
		if !ok && step.Held || first {
			step.Value = v
		}
		first = false
		step.Held = step.Held && ok
		l := s.Latency[0]
		step.P50, step.P99 = max(step.P50, l.P50), max(step.P99, l.P99)
	}
	step.Reached = reached(rep, r.p.FindOf)
	switch {
	case res.cut:
		step.Held, step.Note = false, "cut short"
	case rep.Client.Bottleneck:
		step.Held, step.Note = false, clientNote
	case step.Reached < 0.99*value-edge(res, r.p.FindOf):
		step.Held, step.Note = false, fmt.Sprintf("only %.0f%s were reached", step.Reached, unit)
	}
	if step.Held && value > r.search.Best {
		r.search.Best, r.best = value, res
	}
	return step, nil
}

// edge is what the ends of a measured period may take off a rate: two operations.
func edge(res *stageResult, of string) float64 {
	if of == plan.OfConnections || res.seconds <= 0 {
		return 0
	}
	return 2 / res.seconds
}

// reached is the value that a step came to.
func reached(rep *report.Report, of string) (v float64) {
	for i := range rep.Scenarios {
		s := &rep.Scenarios[i]
		switch {
		case of == plan.OfConnections:
			v += float64(s.Connections)
		case s.Seconds > 0 && plan.Kind(s.Kind).Publishes():
			v += float64(s.Measured.Counts.Published) / s.Seconds
		case s.Seconds > 0:
			v += float64(s.Measured.Counts.Sent) / s.Seconds
		}
	}
	return v
}

// found ends the search.
func (r *run) found(best float64) error {
	s := r.search
	if r.best == nil && len(r.results) > 0 {
		r.best = r.results[len(r.results)-1] // to show why
	}
	if r.ended() {
		s.Bound = "" // nobody knows what would have been
	}
	switch {
	case best == 0 && r.ended():
		s.Reason = fmt.Sprintf("the search was ended early, before %s held at any value", s.Goal)
	case best == 0:
		s.Reason = fmt.Sprintf("%s did not hold at any value tried", s.Goal)
	case r.ended():
		s.Reason = fmt.Sprintf("%s held at %.0f; the search was ended early", s.Goal, best)
	case s.Bound == "limit" && best < r.p.FindTop:
		s.Reason = fmt.Sprintf("%s held up to %.0f, where the search ended after its %d steps", s.Goal, best, searchSteps)
	case s.Bound == "limit":
		s.Reason = fmt.Sprintf("%s held up to %.0f, the highest value allowed", s.Goal, best)
	case s.Bound == "client":
		s.Reason = fmt.Sprintf("%s held at %.0f; beyond it the client was the bottleneck, so the server may bear more", s.Goal, best)
	default:
		s.Reason = fmt.Sprintf("%s held at %.0f and not beyond", s.Goal, best)
	}
	return nil
}
