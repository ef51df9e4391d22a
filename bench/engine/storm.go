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
	end    int64       // no cycle begins at or after this
	rng    *rand.Rand
}

func newStorming(e *Engine, sc *scenario) *storming {
	return &storming{e: e, sc: sc, rng: rand.New(rand.NewPCG(e.job.Plan.Seed, uint64(e.job.Worker)^0x5707))}
}

// begin allows cycles again, after a Cut of the stage before.
func (st *storming) begin() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.end = never
}

// run does the cycles of a stage and returns when the last one is over.
func (st *storming) run(from int64) {
	p := st.sc.Storm
	st.mu.Lock()
	first := len(st.cycles)
	st.mu.Unlock()
	for i := range p.Cycles {
		at := from + int64(i)*int64(p.Every)
		for st.e.clock.now() < at {
			if st.cutBy(at) || !st.e.sleepUntil(min(at, st.e.clock.now()+int64(100*time.Millisecond))) {
				return
			}
		}
		if st.cutBy(st.e.clock.now()) {
			return
		}
		st.drop(first + i)
		for !st.over() {
			if !st.e.sleepUntil(st.e.clock.now() + int64(20*time.Millisecond)) {
				return
			}
		}
	}
}

// cutBy tells whether no cycle may begin at the time at.
func (st *storming) cutBy(at int64) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return at >= st.end
}

// drop begins a cycle.
func (st *storming) drop(cycle int) {
	now := st.e.clock.now()
	st.mu.Lock()
	st.now = &StormCycle{Scenario: st.sc.idx, Cycle: cycle, At: now, Times: new(stats.Hist)}
	st.cycles = append(st.cycles, st.now)
	st.out = 1 // ours: the cycle is not over before it has begun
	st.until = now + int64(st.sc.Storm.GiveUp)
	st.mu.Unlock()
	n := int64(0)
	for _, s := range st.e.shards {
		s.call(func() {
			for _, c := range s.groups[st.sc.idx].live {
				if c.state == stateOpen && !c.flags.has(flagDropped) {
					c.flags.set(flagDropped)
					n++
				}
			}
		})
	}
	st.mu.Lock()
	if st.now != nil {
		st.now.Dropped += n
		st.out += n - 1
	}
	st.mu.Unlock()
	for _, s := range st.e.shards {
		s.call(func() {
			for _, c := range append([]*conn(nil), s.groups[st.sc.idx].live...) {
				if c.flags.has(flagDropped) {
					s.leave(c, st.sc.Storm.Abrupt)
				}
			}
		})
	}
}

// over tells whether everybody is back or given up, and ends the cycle then.
func (st *storming) over() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.now != nil && st.out <= 0 {
		st.now = nil
	}
	return st.now == nil
}

// cut ends storming at the time to: who is not back is abandoned.
func (st *storming) cut(to int64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.end = min(st.end, to)
	if st.now != nil {
		st.now.Abandoned = st.now.Dropped - st.now.Back
		st.now, st.out = nil, 0
	}
}

// endStorms ends all storms at once.
func (e *Engine) endStorms() {
	for _, sc := range e.scenarios {
		if sc.storm != nil {
			sc.storm.cut(e.clock.now())
		}
	}
}

// lost hears that a connection of the scenario ended that nobody dropped. In a
// cycle it counts as dropped, and has to come back. Loop only.
func (st *storming) lost(c *conn) {
	if c.flags.has(flagDropped) {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.now != nil {
		c.flags.set(flagDropped)
		st.now.Dropped++
		st.out++
	}
}

// gone hears that the socket of a connection of the scenario is closed. Loop only.
func (st *storming) gone(c *conn) {
	if !c.flags.has(flagDropped) {
		return
	}
	st.mu.Lock()
	running, cycle := st.now != nil, 0
	if running {
		cycle = st.now.Cycle
	}
	st.mu.Unlock()
	if running {
		st.again(int(c.id), 0, cycle)
	}
}

// again queues attempt n (from 0) to reconnect.
func (st *storming) again(id, n, cycle int) {
	now := st.e.clock.now()
	st.mu.Lock()
	if st.now == nil || st.now.Cycle != cycle {
		st.mu.Unlock()
		return
	}
	due := now + int64(st.wait(n))
	if due > st.until {
		st.now.Abandoned++
		st.out--
		st.mu.Unlock()
		return
	}
	st.now.Attempts++
	st.mu.Unlock()
	st.e.director.at(&dial{sc: st.sc, to: &st.sc.to, id: id, due: due, tries: n, cycle: cycle, ended: st.ended})
}

// ended hears how an attempt came out.
func (st *storming) ended(d *dial, c *conn, _ string) {
	if c != nil {
		st.back(d)
		return
	}
	st.mu.Lock()
	if st.now != nil && st.now.Cycle == d.cycle {
		st.now.Failures++
	}
	st.mu.Unlock()
	st.again(d.id, d.tries+1, d.cycle)
}

// back counts a connection that is back.
func (st *storming) back(d *dial) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.now == nil || st.now.Cycle != d.cycle {
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
