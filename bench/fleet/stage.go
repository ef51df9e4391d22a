package fleet

import (
	"errors"
	"fmt"
	"time"

	"carillon/bench/engine"
	"carillon/bench/plan"
	"carillon/bench/report"
	"carillon/bench/stats"
	"carillon/bench/watch"
)

// stageResult is what one measured period came to.
type stageResult struct {
	seconds  float64
	scale    float64        // of the plan's rates
	measured []stats.Totals // by scenario
	own      []ownSetup     // by scenario, when it had connections of its own
	storms   []engine.StormCycle
	slow     []engine.SlowSeen
	ramp     ramp
	open     int64
	late     stats.Hist
	lag      stats.Hist
	ticks    int64
	missed   int64
	usage    watch.SelfUsage
	servers  []report.Server
	plan     *plan.Plan
	from, to float64 // seconds since the run's start
	cut      bool    // it ended early
}

// ownSetup is what the connections of one measured period came to besides.
type ownSetup struct {
	setup stats.Totals
	peak  int64
}

// lengthOf is how long the measured period of a plan is.
func lengthOf(p *plan.Plan) (warmup, length time.Duration, traffic bool) {
	for i := range p.Scenarios {
		s := &p.Scenarios[i]
		switch s.Kind {
		case plan.Connect:
			length = max(length, time.Duration(float64(s.Connections)/s.ConnectRate*float64(time.Second))+s.Hold)
		case plan.Storm:
			length = max(length, time.Duration(s.Storm.Cycles)*s.Storm.Every+s.Storm.GiveUp)
		default:
			traffic = true
		}
	}
	if traffic {
		return p.Warmup, max(length, p.Duration), true
	}
	return 0, length, false
}

// stage measures once: traffic, and the settling of what is under way.
func (r *run) stage(p *plan.Plan, scale float64) (*stageResult, error) {
	warm, length, _ := lengthOf(p)
	at := engine.Now() + int64(stepAhead)
	st := engine.Stage{Number: r.stages, At: at, From: at + int64(warm), Scale: scale}
	st.To = st.From + int64(length)
	r.stages++
	r.collect() // what came before belongs to the set-up
	r.tally.reset()
	res := &stageResult{plan: p, scale: scale, ramp: r.ramp}
	if _, err := r.all(request{Op: opTraffic, Stage: &st}); err != nil {
		return nil, err
	}
	if warm > 0 {
		r.enter(warmup, warm+stepAhead)
	}
	r.waitUntil(st.From, nil)
	if r.ended() {
		_, err := r.cut(engine.Now())
		return nil, err
	}
	r.enter(measure, length)
	r.collect()
	res.from = time.Since(r.started).Seconds()
	r.watcher.MeasureFrom()
	own := watch.NewSelf()
	own.Begin()
	if _, err := r.all(request{Op: opUsageFrom}); err != nil {
		return nil, err
	}
	r.waitUntil(st.To, func() bool { return r.stormsOver(p) })
	if now := engine.Now(); now < st.To {
		res.cut = r.ended()
		var err error
		if st.To, err = r.cut(min(st.To, now+int64(cutAhead))); err != nil {
			return nil, err
		}
	}
	res.seconds = float64(st.To-st.From) / 1e9
	replies, err := r.all(request{Op: opUsageTo})
	if err != nil {
		return nil, err
	}
	res.usage = own.End()
	for _, a := range replies {
		if a.Usage != nil {
			res.usage.Merge(*a.Usage)
		}
	}
	r.watcher.MeasureTo()
	res.open = r.tally.opened()
	res.to = time.Since(r.started).Seconds()
	if err := r.settle(p); err != nil {
		return nil, err
	}
	r.tally.take(res)
	res.storms, res.slow = r.storms, r.slow
	_, sent, received := r.tally.totals()
	res.servers = r.watcher.Server(res.open, sent, received)
	r.results = append(r.results, res)
	return res, nil
}

// cutAhead is how long all workers have to hear that a stage ends early: what
// they begin until then counts.
const cutAhead = 100 * time.Millisecond

// cut ends a stage early, at the time to, and returns when that has come.
func (r *run) cut(to int64) (int64, error) {
	_, err := r.all(request{Op: opCut, At: to})
	time.Sleep(time.Duration(to - engine.Now()))
	return to, err
}

// settle waits for what is under way and has the rest counted as lost.
func (r *run) settle(p *plan.Plan) error {
	r.enter(settle, p.Settle)
	err := r.during(func() error {
		until := engine.Now() + int64(p.Settle)
		heads := make(engine.Heads, len(p.Scenarios))
		replies, err := r.all(request{Op: opHeads, At: until})
		if err != nil {
			return err
		}
		for _, a := range replies {
			for i, h := range a.Heads {
				if len(h) > 0 {
					heads[i] = h
				}
			}
		}
		_, err = r.all(request{Op: opSettle, At: until, Heads: heads})
		return err
	})
	if err != nil {
		return err
	}
	r.collect()
	return r.extras()
}

// extras fetches what samples do not carry.
func (r *run) extras() error {
	replies, err := r.all(request{Op: opExtras})
	if err != nil {
		return err
	}
	r.storms, r.slow = nil, nil
	for _, a := range replies {
		r.storms = append(r.storms, a.Storms...)
		r.slow = append(r.slow, a.Slow...)
	}
	return nil
}

// stormsOver tells, for plans that do nothing but storms, that all cycles are over.
func (r *run) stormsOver(p *plan.Plan) bool {
	want := 0
	for i := range p.Scenarios {
		if p.Scenarios[i].Kind != plan.Storm {
			return false
		}
		want += p.Scenarios[i].Storm.Cycles
	}
	if r.extras() != nil {
		return true // the worker is gone: the next request tells
	}
	over := make(map[[2]int]bool)
	for _, c := range r.storms {
		key := [2]int{c.Scenario, c.Cycle}
		was, seen := over[key]
		over[key] = (was || !seen) && c.Dropped > 0 && c.Back+c.Abandoned == c.Dropped
	}
	n := 0
	for _, ok := range over {
		if ok {
			n++
		}
	}
	return n >= want
}

// waitUntil waits until t of the workers' common clock, until early is true, or
// until the run should end.
func (r *run) waitUntil(t int64, early func() bool) {
	for !r.ended() {
		left := time.Duration(t - engine.Now())
		if left <= 0 {
			return
		}
		r.wait(min(left, 250*time.Millisecond), func() bool {
			return engine.Now() >= t || early != nil && early()
		})
		if early != nil && early() {
			return
		}
	}
}

// collect takes a second's figures from all workers and tells those who watch.
func (r *run) collect() {
	replies, err := r.all(request{Op: opCollect})
	if err != nil {
		if r.failed == nil && !errors.Is(err, r.work.Err()) {
			r.failed = fmt.Errorf("collect: %w", err)
		}
		return
	}
	var ticks, missed int64
	for i, a := range replies {
		l := r.links[i]
		ticks += a.Ticks - l.ticks
		missed += a.Dropped - l.missed
		l.ticks, l.missed = a.Ticks, a.Dropped
	}
	r.mu.Lock()
	ph := r.phase
	r.mu.Unlock()
	r.tally.add(replies, ph, ticks, missed)
	r.tell()
}
