package engine

import (
	"time"

	"carillon/bench/stats"
)

// Precision of what is due.
const (
	// minGap is the shortest time between two looks, in ns: what is due within it
	// begins together. It bounds a loop to 5,000 looks a second.
	minGap = 200e3
	// maxGap is the longest sleep of the pacer, in ns: what is due sooner than it
	// knew is begun within this time.
	maxGap = 5e6
	// lateTick is how late a look counts as dropped, in ns.
	lateTick = 10e6
)

// pacer calls the director when it has something due. It runs on a thread of its
// own, because a thread can sleep to 20 us where the timers of an idle Go process
// round to 1 ms; when there is nothing to come it waits to be told.
type pacer struct {
	e       *Engine
	kick    chan struct{} // there is something to come
	stop    chan struct{}
	done    chan struct{}
	started bool
}

func newPacer(e *Engine) *pacer {
	return &pacer{e: e, kick: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
}

// start starts the pacer, once all loops run.
func (p *pacer) start() {
	p.started = true
	go p.run()
}

// wake has the pacer look. Any goroutine.
func (p *pacer) wake() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

func (p *pacer) run() {
	defer close(p.done)
	sl := newSleeper()
	for {
		now := p.e.clock.now()
		next := p.e.director.fire(now)
		if next == never {
			select {
			case <-p.stop:
				return
			case <-p.kick:
			}
			continue
		}
		select {
		case <-p.stop:
			return
		default:
		}
		wake := max(min(next, now+int64(maxGap)), now+minGap)
		sl.sleep(time.Duration(wake - p.e.clock.now()))
		p.e.ticks.Add(1)
		if p.e.clock.now()-wake > lateTick {
			p.e.droppedTicks.Add(1)
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
