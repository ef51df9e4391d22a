package engine

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"carillon/bench/plan"
	"carillon/bench/stats"
)

// storming drops all connections of a scenario, again and again, and has them
// reconnect. Its methods are called from any goroutine.
type storming struct {
	e  *Engine
	sc *scenario

	mu     sync.Mutex
	cycles []*StormCycle
	now    *StormCycle // nil between cycles
	out    int64       // connections of this cycle neither back nor abandoned
	until  int64       // the cycle's connections are abandoned after this
	rng    *rand.Rand
}

func newStorming(e *Engine, sc *scenario) *storming {
	return &storming{e: e, sc: sc, rng: rand.New(rand.NewPCG(e.job.Plan.Seed, uint64(e.job.Worker)^0x5707))}
}

// run does the cycles of a stage and returns when the last one is over.
func (st *storming) run(from int64) {
	p := st.sc.Storm
	for i := range p.Cycles {
		if !st.e.sleepUntil(from + int64(i)*int64(p.Every)) {
			return
		}
		st.drop(i)
		for !st.over() {
			if !st.e.sleepUntil(st.e.clock.now() + int64(20*time.Millisecond)) {
				return
			}
		}
	}
}

// drop begins a cycle.
func (st *storming) drop(cycle int) {
	now := st.e.clock.now()
	st.mu.Lock()
	st.now = &StormCycle{Scenario: st.sc.idx, Cycle: cycle, At: now, Times: new(stats.Hist)}
	st.cycles = append(st.cycles, st.now)
	st.until = now + int64(st.sc.Storm.GiveUp)
	st.mu.Unlock()
	for _, s := range st.e.shards {
		s.call(func() {
			g := s.groups[st.sc.idx]
			for _, c := range append([]*conn(nil), g.live...) {
				st.mu.Lock()
				st.now.Dropped++
				st.out++
				st.mu.Unlock()
				s.leave(c, st.sc.Storm.Abrupt)
			}
		})
	}
}

// over tells whether everybody is back or given up, and ends the cycle then.
func (st *storming) over() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.out > 0 {
		return false
	}
	st.now = nil
	return true
}

// closed hears that a connection of the scenario is gone. Loop only.
func (st *storming) closed(c *conn) {
	st.mu.Lock()
	running := st.now != nil
	st.mu.Unlock()
	if running {
		st.again(int(c.id), 0)
	}
}

// again queues attempt n (from 0) to reconnect.
func (st *storming) again(id, n int) {
	now := st.e.clock.now()
	st.mu.Lock()
	due := now + int64(st.wait(n))
	if due > st.until {
		st.now.Abandoned++
		st.out--
		st.mu.Unlock()
		return
	}
	st.now.Attempts++
	st.mu.Unlock()
	st.e.director.at(&dial{sc: st.sc, id: id, due: due, tries: n, ended: st.ended})
}

// ended hears how an attempt came out.
func (st *storming) ended(d *dial, c *conn, _ string) {
	if c == nil {
		st.mu.Lock()
		running := st.now != nil
		if running {
			st.now.Failures++
		}
		st.mu.Unlock()
		if running {
			st.again(d.id, d.tries+1)
		}
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.now == nil {
		return
	}
	took := st.e.clock.now() - st.now.At
	st.now.Back++
	st.now.Times.Record(durationOf(took))
	second := int(took / int64(time.Second))
	for len(st.now.PerSecond) <= second {
		st.now.PerSecond = append(st.now.PerSecond, 0)
	}
	st.now.PerSecond[second]++
	st.out--
}

// wait is the pause before attempt n; st.mu is held.
func (st *storming) wait(n int) time.Duration {
	b := st.sc.Storm.Backoff
	if b == nil {
		return 0
	}
	full := min(float64(b.Max), float64(b.Base)*math.Pow(b.Factor, float64(n)))
	return time.Duration(full * (1 - b.Jitter*st.rng.Float64()))
}

// Storms returns the cycles so far. Any goroutine.
func (e *Engine) Storms() (all []StormCycle) {
	for _, sc := range e.scenarios {
		if sc.Kind != plan.Storm {
			continue
		}
		sc.storm.mu.Lock()
		for _, c := range sc.storm.cycles {
			x := *c
			x.Times = new(stats.Hist)
			x.Times.Merge(c.Times)
			x.PerSecond = append([]int64(nil), c.PerSecond...)
			all = append(all, x)
		}
		sc.storm.mu.Unlock()
	}
	return all
}
