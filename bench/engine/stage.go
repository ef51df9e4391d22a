package engine

import (
	"time"

	"carillon/bench/plan"
)

// Traffic begins a stage: operations are due from st.At to st.To.
func (e *Engine) Traffic(st Stage) {
	for _, sc := range e.scenarios {
		sc.from.Store(st.From)
		sc.until.Store(st.To)
	}
	live := e.liveness()
	for i, s := range e.shards {
		s.call(func() {
			for k, g := range s.groups {
				g.begin(st, live[k].of(g.sc.own, i))
			}
		})
	}
	e.director.churn(st)
	for _, sc := range e.scenarios {
		if sc.pushes != nil {
			sc.pushes.begin(st) // not before every receiver is prepared
		}
		switch sc.Kind {
		case plan.Connect:
			e.ramp(sc, st.From, sc.share.Count)
		case plan.Storm:
			sc.storm.begin()
			e.storms.Go(func() { sc.storm.run(st.From) })
		}
	}
}

// loads is how many connections of a scenario each loop has.
type loads []int

// liveness counts the connections of all loops, by scenario.
func (e *Engine) liveness() []loads {
	all := make([]loads, len(e.scenarios))
	for k := range all {
		all[k] = make(loads, len(e.shards))
	}
	for i, s := range e.shards {
		s.call(func() {
			for k, g := range s.groups {
				all[k][i] = len(g.live)
			}
		})
	}
	return all
}

// of is the part of a scenario's operations that loop i has: as many as it has of
// the connections. Where there are none, all loops have the same, so that somebody
// tells what could not be begun.
func (l loads) of(own stretch, i int) stretch {
	before, total := 0, 0
	for j, n := range l {
		if j < i {
			before += n
		}
		total += n
	}
	if total == 0 {
		return own.part(i, i+1, len(l))
	}
	return own.part(before, before+l[i], total)
}

// Heads tells how far the publishers of this engine have come, once the stage is
// over: it waits for those that are under way, until the time given. What waits
// for a publisher then is refused.
func (e *Engine) Heads(until int64) Heads {
	heads := make(Heads, len(e.scenarios))
	for i, sc := range e.scenarios {
		if sc.pushes == nil {
			continue
		}
		for !sc.pushes.resting() && e.clock.now() < until {
			if !e.sleepUntil(min(until, e.clock.now()+int64(5*time.Millisecond))) {
				break
			}
		}
		heads[i] = sc.pushes.finish()
	}
	return heads
}

// Settle ends a stage: it waits until every message that was due has come, until
// the time given, and counts the rest as lost. Storms are waited for until they
// are over, see Cut. heads are those of all engines.
func (e *Engine) Settle(heads Heads, until int64) {
	e.storms.Wait()
	for {
		quiet := true
		for _, s := range e.shards {
			s.call(func() {
				for _, g := range s.groups {
					quiet = quiet && g.quiet(heads)
				}
			})
		}
		if quiet || e.clock.now() >= until || !e.sleepUntil(min(until, e.clock.now()+int64(20*time.Millisecond))) {
			break
		}
	}
	for _, sc := range e.scenarios {
		if sc.slow != nil {
			sc.slow.finish()
		}
	}
	for _, s := range e.shards {
		s.call(func() {
			for _, g := range s.groups {
				g.settle(heads)
			}
		})
	}
}

// Disconnect closes all connections with a close frame and waits until they are
// gone, or for the time-out of a server that does not answer. Attempts to connect
// end as failed. Nothing is begun any more afterwards.
func (e *Engine) Disconnect() {
	e.director.idle()
	e.endStorms()
	e.dialers.stop()
	for _, sc := range e.scenarios {
		if sc.slow != nil {
			sc.slow.leave()
		}
	}
	for {
		left := 0
		for _, s := range e.shards {
			s.call(func() { left += s.disconnect() })
		}
		if left == 0 || !e.sleepUntil(e.clock.now()+int64(5*time.Millisecond)) {
			return
		}
	}
}

// closeSlice is how many connections of a loop are closed in one go: between
// two of them the loop reads what the server answers.
const closeSlice = 256

// disconnect closes some of the loop's connections and returns how many there are.
func (s *shard) disconnect() (left int) {
	for len(s.shaking) > 0 {
		if c := s.shaking.pop().c; c.state == stateHandshake {
			c.hs.bye = causeEnded
			s.drop(c)
		}
	}
	n := 0
	for _, g := range s.groups {
		for i := len(g.live) - 1; i >= 0 && n < closeSlice; i-- {
			if c := g.live[i]; c.state == stateOpen {
				s.leave(c, false)
				n++
			}
		}
		for i := len(g.guests) - 1; i >= 0 && n < closeSlice; i-- {
			if c := g.guests[i]; c.state == stateOpen {
				s.leave(c, false)
				n++
			}
		}
		left += len(g.live) + len(g.guests)
	}
	return left
}
