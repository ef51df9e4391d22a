package engine

import (
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"carillon/bench/plan"
	"carillon/bench/stats"
)

// Engine generates the load of one process. Its methods may be called from any
// goroutine, but one at a time unless they say otherwise.
type Engine struct {
	job                 Job
	clock               clock
	prefix              []byte // of marks
	scenarios           []*scenario
	shards              []*shard
	dialers             *dialers
	director            *director
	ticks, droppedTicks atomic.Int64 // looks at what is due, and those that came too late
	sessions            tls.ClientSessionCache
	tlsConns            tlsSet
	marks               bool           // some scenario's messages are marked
	readers             sync.WaitGroup // of TLS connections
	storms              sync.WaitGroup
	stopped             chan struct{} // closed when Close begins
	stop                sync.Once

	collect sync.Mutex
}

// New prepares and starts an engine; it connects nobody yet. Close ends it.
func New(job Job) (e *Engine, err error) {
	if job.Plan == nil {
		return nil, errors.New("engine: a job without a plan")
	}
	if len(job.Shares) != len(job.Plan.Scenarios) {
		return nil, fmt.Errorf("engine: %d shares for %d scenarios", len(job.Shares), len(job.Plan.Scenarios))
	}
	job.Loops, job.Workers = max(job.Loops, 1), max(job.Workers, 1)
	e = &Engine{
		job: job, clock: newClock(job.Offset), prefix: markPrefix(job.Run),
		sessions: tls.NewLRUClientSessionCache(64),
		stopped:  make(chan struct{}),
	}
	e.dialers = newDialers(e)
	e.director = &director{e: e}
	for i := range job.Plan.Scenarios {
		sc, err := newScenario(i, &job.Plan.Scenarios[i], job.Shares[i], job.Pins)
		if err != nil {
			return nil, err
		}
		e.scenarios = append(e.scenarios, sc)
		e.marks = e.marks || sc.Kind.Marked()
	}
	for i := range job.Loops {
		e.shards = append(e.shards, newShard(e, i))
	}
	for _, sc := range e.scenarios {
		sc.live = make([]atomic.Int32, job.Loops)
	}
	if err = e.start(); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// start starts the loops, and gives scenarios what they have beside
// connections.
func (e *Engine) start() (err error) {
	for _, s := range e.shards {
		if err = s.start(); err != nil {
			return err
		}
	}
	for _, sc := range e.scenarios {
		switch {
		case sc.Kind == plan.Storm:
			sc.storm = newStorming(e, sc)
		case sc.Publish != nil:
			if sc.pushes, err = newPublishing(e, sc); err != nil {
				return fmt.Errorf("scenario %s: publish: %w", sc.Name, err)
			}
		}
		if sc.Slow != nil {
			sc.slow = newSlowReader(e, sc)
		}
	}
	return nil
}

// Ramp begins to open connections at the time at, up to want[i] of this engine's
// share of scenario i (more than the share counts as all of it). Scenarios of kind
// connect are left out: they ramp as their traffic.
func (e *Engine) Ramp(at int64, want []int) {
	for i, sc := range e.scenarios {
		if sc.pushes != nil {
			sc.pushes.connect(at)
		}
		if sc.Kind != plan.Connect {
			e.ramp(sc, at, want[i])
		}
	}
}

// RampState tells how many of the connections wanted so far have been tried.
// Any goroutine, at any time.
func (e *Engine) RampState() (tried, wanted int64) {
	for _, sc := range e.scenarios {
		tried += sc.attempted.Load()
		wanted += sc.quota.Load() + sc.extra.Load()
	}
	return tried, wanted
}

// Open is how many connections of the scenarios are established. Any goroutine.
func (e *Engine) Open() (n int64) {
	for _, sc := range e.scenarios {
		n += sc.open.Load()
	}
	return n
}

// Pace tells how often the loops have looked at what was due, and how many looks
// came too late.
// Any goroutine.
func (e *Engine) Pace() (ticks, dropped int64) {
	return e.ticks.Load(), e.droppedTicks.Load()
}

// Collect takes what was counted since the last Collect: one sample per
// scenario, and how late the loops looked at wake-ups. Any goroutine, at any time.
func (e *Engine) Collect() (samples []stats.Sample, lag *stats.Hist) {
	e.collect.Lock()
	defer e.collect.Unlock()
	lag = new(stats.Hist)
	now := e.clock.now()
	samples = make([]stats.Sample, len(e.scenarios))
	for i, sc := range e.scenarios {
		samples[i] = stats.Sample{Scenario: i, At: time.Duration(now), Open: sc.open.Load()}
		sc.dial.mu.Lock()
		samples[i].Measured.Add(&sc.dial.acc[measured])
		samples[i].Other.Add(&sc.dial.acc[other])
		sc.dial.acc = [2]stats.Totals{}
		sc.dial.mu.Unlock()
	}
	for _, s := range e.shards {
		taken := make([][2]*stats.Totals, len(s.groups))
		s.call(func() {
			for i, g := range s.groups {
				taken[i] = g.swap()
			}
			lag.Merge(&s.lag)
			s.lag.Reset()
		})
		for i, t := range taken {
			if t[measured] == nil {
				continue // the loop has ended
			}
			samples[i].Measured.Add(t[measured])
			samples[i].Other.Add(t[other])
			s.groups[i].giveBack(t)
		}
	}
	return samples, lag
}

// sleepUntil waits until t; it is false when the engine was closed meanwhile.
func (e *Engine) sleepUntil(t int64) bool {
	timer := time.NewTimer(time.Duration(t - e.clock.now()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-e.stopped:
		return false
	}
}

// Close ends the engine at once, connections and all, and returns when nothing of
// it is left. What was not collected before is gone. It may be called at any
// time, by any goroutine, and again.
func (e *Engine) Close() {
	e.stop.Do(func() {
		close(e.stopped)
		e.director.idle()
		e.endStorms()
		e.dialers.stop()
		for _, sc := range e.scenarios {
			if sc.pushes != nil {
				sc.pushes.stop()
			}
			if sc.slow != nil {
				sc.slow.close()
			}
		}
		e.storms.Wait()
		e.tlsConns.closeAll()
		for _, s := range e.shards {
			s.stop()
		}
		e.readers.Wait()
	})
}
