package engine

import (
	"container/heap"
	"sync"

	"carillon/bench/plan"
)

// director begins what no loop begins by itself: connects and publishes. The
// first loop calls it; it never blocks.
type director struct {
	e  *Engine
	mu sync.Mutex

	off     bool // nothing is begun any more
	ramps   []*ramp
	churns  []*churning
	publish []*publishing
	later   dialHeap // reconnects, by the time they are due
}

// ramp opens the connections of a scenario at a rate.
type ramp struct {
	sc    *scenario
	sched schedule
	next  int // index within the share
	until int
}

// churning opens connections that come and go.
type churning struct {
	sc    *scenario
	sched schedule
	n     int
}

// dialHeap is a heap of attempts by due time.
type dialHeap []*dial

func (h dialHeap) Len() int           { return len(h) }
func (h dialHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h dialHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dialHeap) Push(x any)        { *h = append(*h, x.(*dial)) }
func (h *dialHeap) Pop() any {
	old := *h
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return d
}

// wake has the first loop look at what is to come. Any goroutine.
func (d *director) wake() { d.e.shards[0].post(func() {}) }

// fire begins what is due and returns when the next thing is.
func (d *director) fire(now int64) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := int64(never)
	for i := 0; i < len(d.ramps); i++ {
		r := d.ramps[i]
		for r.sched.next <= now && r.next < r.until && !r.sc.full() {
			if r.sched.next >= r.sc.freed.Load() { // what waited for the server is not late by our fault
				r.sc.lateness(r.sched.next, now)
			}
			d.e.dialers.start(d.rampDial(r.sc, r.next, r.sched.next))
			r.next++
			r.sched.take()
		}
		if r.next >= r.until {
			d.ramps = append(d.ramps[:i], d.ramps[i+1:]...)
			i--
			continue
		}
		if r.sched.next > now { // else the end of an attempt wakes the loop
			next = min(next, r.sched.next)
		}
	}
	for _, c := range d.churns {
		for c.sched.next <= now {
			c.sc.lateness(c.sched.next, now)
			d.e.dialers.start(c.dial())
			c.sched.take()
		}
		next = min(next, c.sched.next)
	}
	for len(d.later) > 0 && d.later[0].due <= now {
		d.e.dialers.start(heap.Pop(&d.later).(*dial))
	}
	if len(d.later) > 0 {
		next = min(next, d.later[0].due)
	}
	for _, p := range d.publish {
		next = min(next, p.fire(now))
	}
	return next
}

// churnIDs is how many different {{.ID}} churning connections have, after those
// of the connections that stay.
const churnIDs = 1_000_000

// dial is the attempt of the next connection that comes.
func (c *churning) dial() *dial {
	id := c.sc.Connections + (c.sc.share.First+c.n)%churnIDs
	c.n++
	return &dial{sc: c.sc, to: &c.sc.to, id: id, role: roleChurner, due: c.sched.next, ended: func(*dial, *conn, string) {}}
}

// at begins an attempt when it is due. Any goroutine.
func (d *director) at(x *dial) {
	if d.keep(x) {
		d.e.dialers.start(x)
	}
}

// keep keeps an attempt until it is due, unless nothing is begun any more. It is
// true when that is now.
func (d *director) keep(x *dial) (now bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off || x.due <= d.e.clock.now() {
		return !d.off
	}
	heap.Push(&d.later, x)
	d.wake()
	return false
}

// churn begins the coming and going of a stage.
func (d *director) churn(st Stage) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.churns = nil
	defer d.wake()
	for _, sc := range d.e.scenarios {
		if sc.Kind == plan.Churn && !d.off {
			d.churns = append(d.churns, &churning{sc: sc,
				sched: newSchedule(plan.Constant, sc.Churn.Rate, st.At, st.To, sc.own, [2]uint64{})})
		}
	}
}

// cut drops connects that were to begin.
func (d *director) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ramps, d.churns, d.later = nil, nil, nil
}

// idle drops whatever was to begin, and takes nothing more.
func (d *director) idle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
	d.ramps, d.churns, d.publish, d.later = nil, nil, nil, nil
}

// rampDial is the attempt for the i-th connection of the share.
func (d *director) rampDial(sc *scenario, i int, due int64) *dial {
	sc.pending.Add(1)
	x := &dial{sc: sc, to: &sc.to, id: sc.share.First + i, due: due, slow: sc.isSlow(sc.share.First + i)}
	x.ended = func(*dial, *conn, string) {
		sc.attempted.Add(1)
		if sc.pending.Add(-1) == sc.atMost-1 {
			sc.freed.Store(d.e.clock.now())
			d.wake()
		}
	}
	return x
}

// full tells that the ramp has to wait for attempts that are under way.
func (sc *scenario) full() bool { return sc.atMost > 0 && sc.pending.Load() >= sc.atMost }

// isSlow tells whether the i-th connection of the scenario is a slow one: as many
// of the first n as the share says, for every n, so that all processes have theirs.
func (sc *scenario) isSlow(i int) bool {
	if sc.Slow == nil {
		return false
	}
	upTo := func(n int) int { return int(float64(n)*sc.Slow.Share + .5) }
	return upTo(i+1) > upTo(i)
}

// ramp opens connections of a scenario up to want of its share, from at on.
func (e *Engine) ramp(sc *scenario, at int64, want int) {
	want = min(want, sc.share.Count)
	have := int(sc.quota.Load())
	if want <= have {
		return
	}
	e.director.mu.Lock()
	defer e.director.mu.Unlock()
	if e.director.off {
		return
	}
	sc.quota.Store(int64(want))
	defer e.director.wake()
	e.director.ramps = append(e.director.ramps, &ramp{
		sc: sc, next: have, until: want,
		sched: newSchedule(plan.Constant, sc.ConnectRate, at, never, sc.own, [2]uint64{}),
	})
}
