package engine

import (
	"sync/atomic"
	"time"

	"carillon/bench/stats"
)

// Precision of the pacer.
const (
	// minGap is the shortest time between two looks, in ns: what is due within it
	// leaves together. It bounds the pacer to 10,000 looks a second, about a tenth
	// of a core.
	minGap = 100e3
	// maxGap is the longest, in ns: a loop whose next operation comes sooner than it
	// had said is woken within this time.
	maxGap = 5e6
	// lateTick is how late a look counts as dropped, in ns.
	lateTick = 10e6
)

// pacer wakes whoever has something due. It runs on a thread of its own, because
// a thread can sleep to 20 us where the timers of an idle Go process round to 1 ms.
type pacer struct {
	e       *Engine
	stop    chan struct{}
	done    chan struct{}
	started bool
	ticks   atomic.Int64
	dropped atomic.Int64
}

func newPacer(e *Engine) *pacer {
	return &pacer{e: e, stop: make(chan struct{}), done: make(chan struct{})}
}

// start starts the pacer, once all loops can be woken.
func (p *pacer) start() {
	p.started = true
	go p.run()
}

func (p *pacer) run() {
	defer close(p.done)
	sl := newSleeper()
	for {
		select {
		case <-p.stop:
			return
		default:
		}
		now := p.e.clock.now()
		next := now + int64(maxGap)
		for _, s := range p.e.shards {
			if at := s.next.Load(); at <= now {
				s.ring()
				next = now + minGap
			} else {
				next = min(next, at)
			}
		}
		next = min(next, p.e.director.fire(now))
		wake := max(next, now+minGap)
		sl.sleep(time.Duration(wake - p.e.clock.now()))
		p.ticks.Add(1)
		if p.e.clock.now()-wake > lateTick {
			p.dropped.Add(1)
		}
	}
}

func (p *pacer) close() {
	close(p.stop)
	if p.started {
		<-p.done
	}
}

// lateness records how late an operation of a scenario began that is not begun
// on a loop.
func (sc *scenario) lateness(due, now int64) {
	sc.count(due, func(t *stats.Totals) { t.Hist(stats.Lateness).Record(durationOf(now - due)) })
}
