package engine

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/panjf2000/gnet/v2"
	"github.com/panjf2000/gnet/v2/pkg/logging"

	"go.uber.org/zap"

	"carillon/bench/plan"
	"carillon/bench/stats"
)

// Engine generates the load of one process. Its methods may be called from any
// goroutine, but one at a time unless they say otherwise.
type Engine struct {
	job       Job
	clock     clock
	prefix    []byte // of marks
	scenarios []*scenario
	shards    []*shard
	byLoop    map[gnet.EventLoop]*shard
	client    *gnet.Client
	dialers   *dialers
	director  *director
	pacer     *pacer
	sessions  tls.ClientSessionCache
	tlsConns  tlsSet
	readers   sync.WaitGroup // of TLS connections
	storms    sync.WaitGroup
	stopped   chan struct{}
	stop      sync.Once

	collect sync.Mutex
}

// New prepares and starts an engine; it connects nobody yet. Close ends it.
func New(job Job) (e *Engine, err error) {
	if len(job.Shares) != len(job.Plan.Scenarios) {
		return nil, fmt.Errorf("engine: %d shares for %d scenarios", len(job.Shares), len(job.Plan.Scenarios))
	}
	job.Loops, job.Workers = max(job.Loops, 1), max(job.Workers, 1)
	e = &Engine{
		job: job, clock: newClock(job.Offset), prefix: markPrefix(job.Run),
		byLoop: make(map[gnet.EventLoop]*shard), sessions: tls.NewLRUClientSessionCache(64),
		stopped: make(chan struct{}),
	}
	e.dialers = newDialers(e)
	e.director = &director{e: e, rng: rand.New(rand.NewPCG(job.Plan.Seed, uint64(job.Worker)<<32))}
	e.pacer = newPacer(e)
	for i := range job.Plan.Scenarios {
		sc, err := newScenario(i, &job.Plan.Scenarios[i], job.Shares[i], job.Pins)
		if err != nil {
			return nil, err
		}
		e.scenarios = append(e.scenarios, sc)
	}
	for i := range job.Loops {
		e.shards = append(e.shards, newShard(e, i))
	}
	quiet := zap.NewNop().Sugar()
	e.client, err = gnet.NewClient(&events{e: e},
		gnet.WithNumEventLoop(job.Loops), gnet.WithLogger(quiet), gnet.WithLogLevel(logging.ErrorLevel),
		gnet.WithTCPNoDelay(gnet.TCPNoDelay), gnet.WithReadBufferCap(64<<10))
	if err != nil {
		return nil, err
	}
	if err = e.client.Start(); err != nil {
		return nil, err
	}
	go e.pacer.run()
	for _, s := range e.shards {
		if err = s.openWake(e.client); err != nil {
			e.Close()
			return nil, err
		}
		if e.byLoop[s.loop] != nil {
			e.Close()
			return nil, errors.New("engine: two shards on one event loop")
		}
		e.byLoop[s.loop] = s
	}
	for _, sc := range e.scenarios {
		switch {
		case sc.Kind == plan.Storm:
			sc.storm = newStorming(e, sc)
		case sc.Publish != nil:
			if sc.pushes, err = newPublishing(e, sc); err != nil {
				e.Close()
				return nil, err
			}
		}
		if sc.Slow != nil {
			sc.slow = newSlowReader(e, sc)
		}
	}
	return e, nil
}

// Ramp begins to open connections at the time at, up to want[i] of this engine's
// share of scenario i (more than the share counts as all of it). Scenarios of kind
// connect are left out: they ramp as their traffic.
func (e *Engine) Ramp(at int64, want []int) {
	for i, sc := range e.scenarios {
		if sc.pushes != nil && sc.extra.Load() == 0 {
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

// Traffic begins a stage: operations are due from st.At to st.To.
func (e *Engine) Traffic(st Stage) {
	for _, sc := range e.scenarios {
		sc.from.Store(st.From)
		sc.to.Store(st.To)
		if sc.pushes != nil {
			sc.pushes.begin(st)
		}
	}
	for _, s := range e.shards {
		s.call(func() {
			for _, g := range s.groups {
				g.begin(st)
			}
		})
	}
	e.director.mu.Lock()
	e.director.churns = nil
	for _, sc := range e.scenarios {
		if sc.Kind == plan.Churn && sc.share.Count > 0 {
			rate := sc.Churn.Rate * float64(sc.share.Count) / float64(sc.Connections)
			e.director.churns = append(e.director.churns, &churning{sc: sc,
				sched: newSchedule(plan.Constant, rate, st.At, st.To, e.job.Worker, e.job.Workers, nil)})
		}
	}
	e.director.mu.Unlock()
	for _, sc := range e.scenarios {
		switch sc.Kind {
		case plan.Connect:
			e.ramp(sc, st.From, sc.share.Count)
		case plan.Storm:
			e.storms.Go(func() { sc.storm.run(st.From) })
		}
	}
}

// Heads tells how far the publishers of this engine have come, once the stage is
// over: it waits for those that are under way, until the time given.
func (e *Engine) Heads(until int64) Heads {
	heads := make(Heads, len(e.scenarios))
	for i, sc := range e.scenarios {
		if sc.pushes == nil {
			continue
		}
		for sc.pushes.busy.Load() > 0 && e.sleepUntil(min(until, e.clock.now()+int64(5*time.Millisecond))) {
			if e.clock.now() >= until {
				break
			}
		}
		heads[i] = sc.pushes.heads()
	}
	return heads
}

// Settle ends a stage: it waits until every message that was due has come, until
// the time given, and counts the rest as lost. heads are those of all engines.
func (e *Engine) Settle(heads Heads, until int64) {
	stormsDone := make(chan struct{})
	go func() { e.storms.Wait(); close(stormsDone) }()
	select {
	case <-stormsDone:
	case <-e.stopped:
	}
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
			s.now = e.clock.now()
			for _, g := range s.groups {
				g.settle(heads)
			}
		})
	}
}

// Disconnect closes all connections with a close frame and waits until they are
// gone, or for the time-out of a server that does not answer.
func (e *Engine) Disconnect() {
	e.director.idle()
	for {
		left := 0
		for _, s := range e.shards {
			s.call(func() {
				s.now = e.clock.now()
				n := 0
				for _, g := range s.groups {
					for i := len(g.live) - 1; i >= 0 && n < closeSlice; i-- {
						if c := g.live[i]; c.state == stateOpen {
							s.leave(c, false)
							n++
						}
					}
					left += len(g.live)
				}
			})
		}
		if left == 0 || !e.sleepUntil(e.clock.now()+int64(5*time.Millisecond)) {
			return
		}
	}
}

// closeSlice is how many connections of a loop are closed in one go: between
// two of them the loop reads what the server answers.
const closeSlice = 256

// Open is how many connections of the scenarios are established. Any goroutine.
func (e *Engine) Open() (n int64) {
	for _, sc := range e.scenarios {
		n += sc.open.Load()
	}
	return n
}

// Pace tells how often the pacer has looked, and how many looks came too late.
// Any goroutine.
func (e *Engine) Pace() (ticks, dropped int64) {
	return e.pacer.ticks.Load(), e.pacer.dropped.Load()
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

// Close ends the engine at once, connections and all. It may be called at any
// time, and again.
func (e *Engine) Close() {
	e.stop.Do(func() {
		close(e.stopped)
		e.director.idle()
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
		e.pacer.close()
		e.tlsConns.closeAll()
		_ = e.client.Stop()
		for _, s := range e.shards {
			s.stop()
		}
		e.readers.Wait()
	})
}

// events is gnet's handler.
type events struct {
	gnet.BuiltinEventEngine
	e *Engine
}

// OnOpen takes a connection on its loop.
func (ev *events) OnOpen(gc gnet.Conn) ([]byte, gnet.Action) {
	if c, ok := gc.Context().(*conn); ok {
		s := ev.e.byLoop[gc.EventLoop()]
		c.gc, c.fd = gc, int32(gc.Fd())
		s.now = ev.e.clock.now()
		s.open(c)
	}
	return nil, gnet.None
}

// open begins to wait for the answer to a connection's request.
func (s *shard) open(c *conn) {
	c.g = s.groups[c.hs.attempt.sc.idx]
	s.shaking.push(waiting{c, s.now + int64(c.g.sc.ConnectTimeout)})
}

// OnTraffic handles what came in.
func (ev *events) OnTraffic(gc gnet.Conn) gnet.Action {
	switch c := gc.Context().(type) {
	case *conn:
		b, _ := gc.Peek(-1)
		if len(b) == 0 {
			return gnet.None
		}
		s := c.g.s
		s.now = ev.e.clock.now()
		if used := s.feed(c, b); used > 0 && c.state != stateClosed {
			_, _ = gc.Discard(used)
		}
	case wakeConn:
		_, _ = gc.Discard(-1)
		c.s.run()
	}
	return gnet.None
}

// OnClose accounts for a connection that is gone.
func (ev *events) OnClose(gc gnet.Conn, err error) gnet.Action {
	if c, ok := gc.Context().(*conn); ok {
		s := c.g.s
		s.now = ev.e.clock.now()
		if errors.Is(err, io.EOF) {
			err = nil
		}
		s.closed(c, err)
	}
	return gnet.None
}
