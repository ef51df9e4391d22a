package engine

import (
	"net/netip"
	"testing"
	"time"

	"carillon/bench/internal/await"
	"carillon/bench/internal/faulty"
	"carillon/bench/plan"
	"carillon/bench/stats"
)

// rig is one engine against one server.
type rig struct {
	t      testing.TB
	e      *Engine
	total  []stats.Sample
	stages int
	srv    *faulty.Server // settling waits until it has nothing under way; nil: not
}

const testRun = 0xbe9c

// newJob completes a plan and gives all of it to one engine.
func newJob(t testing.TB, scenarios ...plan.Scenario) Job {
	t.Helper()
	p := &plan.Plan{Seed: 7, Scenarios: scenarios, OwnTarget: true}
	if err := p.Complete(); err != nil {
		t.Fatal(err)
	}
	job := Job{Plan: p, Run: testRun, Workers: 1, Loops: 2, Version: "test",
		Pins: map[string][]netip.Addr{"localhost": {netip.MustParseAddr("127.0.0.1")}}}
	for _, s := range p.Scenarios {
		job.Shares = append(job.Shares, Share{Count: s.Connections, Publish: true})
	}
	return job
}

// start starts an engine, which the end of the test closes.
func start(t testing.TB, job Job) *rig {
	t.Helper()
	e, err := New(job)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return &rig{t: t, e: e, total: make([]stats.Sample, len(job.Plan.Scenarios))}
}

func newRig(t testing.TB, scenarios ...plan.Scenario) *rig {
	t.Helper()
	return start(t, newJob(t, scenarios...))
}

// collect adds up what was counted.
func (r *rig) collect() {
	samples, _ := r.e.Collect()
	for i, s := range samples {
		r.total[i].Open = s.Open
		r.total[i].Measured.Add(&s.Measured)
		r.total[i].Other.Add(&s.Other)
	}
}

// connect opens all connections and waits until all were tried.
func (r *rig) connect() {
	r.t.Helper()
	r.connectUpTo(1 << 30)
}

func (r *rig) connectUpTo(n int) {
	r.t.Helper()
	want := make([]int, len(r.total))
	for i := range want {
		want[i] = n
	}
	r.e.Ramp(r.e.clock.now(), want)
	await.Until(r.t, "the ramp to end", func() bool {
		tried, wanted := r.e.RampState()
		return tried == wanted
	})
}

// ahead is how long a stage is announced before it begins.
const ahead = 20 * time.Millisecond

// traffic begins a stage.
func (r *rig) traffic(warm, d time.Duration) Stage {
	at := r.e.clock.now() + int64(ahead)
	st := Stage{Number: r.stages, At: at, From: at + int64(warm), To: at + int64(warm) + int64(d)}
	r.stages++
	r.e.Traffic(st)
	return st
}

// settle waits for the end of a stage, collecting like a coordinator does.
func (r *rig) settle(st Stage) {
	for r.e.clock.now() < st.To {
		r.e.sleepUntil(min(st.To, r.e.clock.now()+int64(100*time.Millisecond)))
		r.collect()
	}
	heads := r.e.Heads(r.e.clock.now() + int64(patience))
	wait := patience
	if r.srv != nil {
		r.still()
		wait = 0
	}
	r.e.Settle(heads, r.e.clock.now()+int64(wait))
	r.collect()
}

// still waits until everything that was due has been begun, and nothing is under
// way, so that what has not come will not come.
func (r *rig) still() {
	r.t.Helper()
	var last faulty.Stats
	var came int64
	since := time.Now()
	await.Until(r.t, "everything to be begun and answered", func() bool {
		busy := false
		r.round(func(g *group) {
			_, due := g.earliest()
			busy = busy || due < never && len(g.live) > 0
		})
		r.collect()
		sent, received := int64(0), int64(0)
		for i := range r.total {
			sent += r.all(i).Sent
			received += r.all(i).Received
		}
		st := r.srv.Stats()
		if st != last || received != came {
			last, came, since = st, received, time.Now()
		}
		if busy || st.Due+st.Duplicated != st.Sent+st.Dropped+st.Undelivered || st.Held > 0 {
			return false
		}
		// What is sent on a connection that the other side has closed does not arrive.
		if sent == st.Received && received == st.Sent && st.Due >= st.Received {
			return time.Since(since) > 20*time.Millisecond
		}
		return time.Since(since) > 500*time.Millisecond
	})
	for range 3 { // what is in the sockets by now is read
		r.round(func(*group) {})
	}
}

// round calls fn for every group, on its loop.
func (r *rig) round(fn func(*group)) {
	for _, s := range r.e.shards {
		s.call(func() {
			for _, g := range s.groups {
				fn(g)
			}
		})
	}
}

// run measures for d and settles; what was counted is in r.total.
func (r *rig) run(d time.Duration) { r.settle(r.traffic(0, d)) }

// disconnect ends the connections and checks all sums.
func (r *rig) disconnect() {
	r.t.Helper()
	r.e.Disconnect()
	r.collect()
	for i := range r.total {
		c := r.all(i)
		if c.Connects != c.Connected+c.ConnectFailed {
			r.t.Errorf("scenario %d: %d connects, of which %d worked and %d failed", i, c.Connects, c.Connected, c.ConnectFailed)
		}
		if c.Connected != c.Closed+c.Left || r.total[i].Open != 0 {
			r.t.Errorf("scenario %d: %d connected, %d closed and %d left, %d open", i, c.Connected, c.Closed, c.Left, r.total[i].Open)
		}
		causes := make(map[stats.CauseKind]int64)
		for _, m := range []*stats.Totals{&r.total[i].Measured, &r.total[i].Other} {
			for cause, n := range m.Causes {
				causes[cause.Kind] += n
			}
		}
		for kind, n := range map[stats.CauseKind]int64{
			stats.Closed: c.Closed, stats.ConnectFailed: c.ConnectFailed, stats.PublishFailed: c.PublishFailed, stats.Wrong: c.Wrong,
		} {
			if causes[kind] != n {
				r.t.Errorf("scenario %d: %d of %s, causes of %d", i, n, kind, causes[kind])
			}
		}
		r.sums(i)
	}
}

// sums checks what has to agree in the measured period.
func (r *rig) sums(i int) {
	r.t.Helper()
	sc, m := r.e.scenarios[i], &r.total[i].Measured
	c := &m.Counts
	if became := c.OK + c.Lost + c.Cut + c.Wrong + c.OutOfOrder; c.Expected != became {
		r.t.Errorf("scenario %d: %d expected, %d accounted for: %+v", i, c.Expected, became, *c)
	}
	switch begun := c.Arrivals - c.Refused - c.Dropped; sc.mode {
	case modeRequest, modeEcho:
		if c.Sent != begun {
			r.t.Errorf("scenario %d: %d sent, %d begun: %+v", i, c.Sent, begun, *c)
		}
	case modeDeliver:
		if c.Published+c.PublishFailed != begun {
			r.t.Errorf("scenario %d: %d+%d published, %d begun: %+v", i, c.Published, c.PublishFailed, begun, *c)
		}
	}
}

// all is what scenario i counted at any time.
func (r *rig) all(i int) stats.Counts {
	c := r.total[i].Measured.Counts
	c.Add(&r.total[i].Other.Counts)
	return c
}

// cause is how often a failure of scenario i had a cause.
func (r *rig) cause(i int, kind stats.CauseKind, text string) int64 {
	c := stats.Cause{Kind: kind, Text: text}
	return r.total[i].Measured.Causes[c] + r.total[i].Other.Causes[c]
}

// patience is how long a test waits for something to happen.
const patience = 20 * time.Second

// atRest waits until the server has nothing under way and returns what it did.
func atRest(t testing.TB, srv *faulty.Server) faulty.Stats {
	t.Helper()
	var st faulty.Stats
	await.Until(t, "the server to come to rest", func() bool {
		st = srv.Stats()
		return st.Due+st.Duplicated == st.Sent+st.Dropped+st.Undelivered && st.Held == 0 && st.Conns == 0
	})
	return st
}

// load is a scenario of each kind that exchanges messages, against a server.
func load(kind string, srv *faulty.Server) plan.Scenario {
	sc := plan.Scenario{Connections: 40, URL: srv.URL(), ConnectRate: 5000, ReplyTimeout: patience}
	switch kind {
	case "heartbeat":
		sc.Kind, sc.Rate = plan.Heartbeat, 2000
	case "echo":
		sc.Kind, sc.Rate = plan.Echo, 2000
	case "broadcast":
		sc.Kind, sc.Rate = plan.Broadcast, 50
	case "hub":
		sc.Kind, sc.Rate, sc.URL = plan.Broadcast, 50, srv.HubURL()
		sc.Publish = &plan.Publish{Via: plan.ViaClient}
	case "push":
		sc.Kind, sc.Rate, sc.URL = plan.Push, 1000, srv.URL()+"?user={{.User}}"
	}
	return sc
}

// each runs a test for every kind of load, or for some.
func each(t *testing.T, test func(t *testing.T, kind string), kinds ...string) {
	t.Parallel()
	if len(kinds) == 0 {
		kinds = []string{"heartbeat", "echo", "broadcast", "hub", "push"}
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, kind)
		})
	}
}
