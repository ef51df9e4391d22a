package engine

import (
	"math/rand/v2"
	"testing"
	"time"

	"carillon/bench/internal/await"
	"carillon/bench/internal/faulty"
	"carillon/bench/plan"
	"carillon/bench/stats"
)

// stormOf runs a storm of 60 connections and returns its cycles.
func stormOf(t *testing.T, srv *faulty.Server, how plan.Storming, meanwhile func()) (*rig, []StormCycle) {
	t.Helper()
	r := newRig(t, plan.Scenario{Kind: plan.Storm, URL: srv.URL(), Connections: 60, ConnectRate: 5000, ConnectTimeout: 2 * time.Second, Storm: &how})
	r.connect()
	st := r.traffic(0, 100*time.Millisecond)
	if meanwhile != nil {
		meanwhile()
	}
	r.settle(st)
	cycles := r.e.Storms()
	if len(cycles) != how.Cycles {
		t.Fatalf("got %d cycles, want %d", len(cycles), how.Cycles)
	}
	var connected int64
	for i, c := range cycles {
		if c.Cycle != i || c.Dropped != c.Back+c.Abandoned || c.Attempts != c.Failures+c.Back || c.Times.Count() != c.Back {
			t.Errorf("cycle %d does not add up: %+v", i, c)
		}
		var sum int64
		for _, n := range c.PerSecond {
			sum += n
		}
		if sum != c.Back {
			t.Errorf("cycle %d: %d back by seconds, %d in all", i, sum, c.Back)
		}
		connected += c.Back
	}
	r.disconnect()
	if got := r.all(0).Connected; got != 60+connected {
		t.Errorf("%d connected, want 60 and %d", got, connected)
	}
	return r, cycles
}

func TestStorm(t *testing.T) {
	t.Parallel()
	for _, abrupt := range []bool{false, true} {
		srv := faulty.Start(t, faulty.Options{})
		r, cycles := stormOf(t, srv, plan.Storming{Cycles: 3, Every: 50 * time.Millisecond, Abrupt: abrupt}, nil)
		for i, c := range cycles {
			if c.Dropped != 60 || c.Back != 60 || c.Attempts != 60 {
				t.Errorf("cycle %d: got %+v, want 60 of everything", i, c)
			}
		}
		if got := r.all(0); got.Left != 60*4 || got.Closed != 0 {
			t.Errorf("got %+v, want 240 left", got)
		}
		await.Until(t, "the server to see them go", func() bool { return srv.Conns() == 0 })
		if st := srv.Stats(); abrupt && st.Vanished != 180 || !abrupt && st.ClosedByYou != 240 {
			t.Errorf("abrupt %v: the server saw %+v", abrupt, st)
		}
	}
}

func TestStormWithBackoff(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{})
	backoff := &plan.Backoff{Base: 200 * time.Millisecond, Factor: 2, Max: time.Second, Jitter: .5}
	_, cycles := stormOf(t, srv, plan.Storming{Cycles: 1, Every: 50 * time.Millisecond, Backoff: backoff}, nil)
	c := cycles[0]
	if c.Back != 60 || c.Times.Min() < 95*time.Millisecond {
		t.Errorf("got %+v, first back after %v, want 100 ms at least", c, c.Times.Min())
	}
}

// A server that refuses every other one is asked again until all are back.
func TestStormAgainstARefusingServer(t *testing.T) {
	t.Parallel()
	for name, backoff := range map[string]*plan.Backoff{
		"at once":      nil,
		"with backoff": {Base: 10 * time.Millisecond, Factor: 2, Max: 50 * time.Millisecond, Jitter: 1},
	} {
		srv := faulty.Start(t, faulty.Options{})
		r, cycles := stormOf(t, srv, plan.Storming{Cycles: 2, Every: 50 * time.Millisecond, Backoff: backoff}, func() {
			srv.SetFaults(faulty.Faults{RefuseEvery: 2})
		})
		refused := srv.Stats().Refused
		if n := cycles[0].Failures + cycles[1].Failures; n != refused || refused < 60 {
			t.Errorf("%s: %d failures, the server refused %d", name, n, refused)
		}
		if n := r.cause(0, stats.ConnectFailed, "HTTP 503 Service Unavailable"); n != refused {
			t.Errorf("%s: %d failed by HTTP 503, want %d", name, n, refused)
		}
		if cycles[0].Back != 60 || cycles[1].Back != 60 {
			t.Errorf("%s: got %+v", name, cycles)
		}
	}
}

// A server that takes nobody back has all abandoned; the next cycle has nobody.
func TestStormGivesUp(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{})
	backoff := &plan.Backoff{Base: 20 * time.Millisecond, Factor: 1, Max: 20 * time.Millisecond, Jitter: .01}
	_, cycles := stormOf(t, srv, plan.Storming{Cycles: 2, Every: 50 * time.Millisecond, GiveUp: time.Second, Backoff: backoff}, func() {
		srv.SetFaults(faulty.Faults{RefuseEvery: 1})
	})
	if c := cycles[0]; c.Dropped != 60 || c.Abandoned != 60 || c.Failures == 0 {
		t.Errorf("got %+v, want 60 abandoned", c)
	}
	if c := cycles[1]; c.Dropped != 0 {
		t.Errorf("got %+v, want an empty cycle", c)
	}
}

// Connections that the server closes in the middle of a cycle come back as well.
func TestStormAgainstAClosingServer(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{})
	backoff := &plan.Backoff{Base: 300 * time.Millisecond, Factor: 1, Max: 300 * time.Millisecond, Jitter: 1}
	_, cycles := stormOf(t, srv, plan.Storming{Cycles: 1, Every: 50 * time.Millisecond, Backoff: backoff}, func() {
		await.Until(t, "some to be back", func() bool { return srv.Stats().Upgraded >= 80 })
		srv.CloseAll(faulty.Close{Code: 1012, Reason: "server restarting"})
	})
	if c := cycles[0]; c.Dropped <= 60 || c.Abandoned != 0 {
		t.Errorf("got %+v, want more than 60 dropped and all back", c)
	}
}

// Cut ends a storm: who is not back is abandoned, and nothing begins again.
func TestStormCut(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{})
	backoff := &plan.Backoff{Base: time.Hour / 2, Factor: 1, Max: time.Hour / 2, Jitter: 1e-9}
	r := newRig(t, plan.Scenario{Kind: plan.Storm, URL: srv.URL(), Connections: 20, ConnectRate: 5000,
		Storm: &plan.Storming{Cycles: 5, Every: 50 * time.Millisecond, GiveUp: time.Hour, Backoff: backoff}})
	r.connect()
	r.traffic(0, time.Hour)
	await.Until(t, "the storm to begin", func() bool { c := r.e.Storms(); return len(c) == 1 && c[0].Dropped == 20 && r.e.Open() == 0 })
	r.e.Cut(r.e.clock.now())
	r.e.Settle(r.e.Heads(r.e.clock.now()), r.e.clock.now())
	c := r.e.Storms()
	if len(c) != 1 || c[0].Abandoned != 20 {
		t.Errorf("got %+v, want 20 abandoned", c)
	}
	r.disconnect()
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	st := &storming{rng: rand.New(rand.NewPCG(1, 2)), sc: &scenario{Scenario: &plan.Scenario{Storm: &plan.Storming{}}}}
	if d := st.wait(5); d != 0 {
		t.Errorf("without backoff: got %v", d)
	}
	for _, b := range []plan.Backoff{
		{Base: time.Second, Factor: 2, Max: 30 * time.Second, Jitter: 1},
		{Base: time.Second, Factor: 1.5, Max: 10 * time.Second, Jitter: .25},
		{Base: 100 * time.Millisecond, Factor: 1, Max: time.Second, Jitter: 0},
	} {
		st.sc.Storm.Backoff = &b
		full := float64(b.Base)
		for n := range 40 {
			low, high := time.Hour, time.Duration(0)
			for range 200 {
				d := st.wait(n)
				low, high = min(low, d), max(high, d)
			}
			top := min(full, float64(b.Max))
			if float64(high) > top+1 || float64(low) < top*(1-b.Jitter)-1 {
				t.Errorf("%+v: attempt %d waits %v to %v", b, n, low, high)
			}
			if b.Jitter > 0 && float64(high-low) < top*b.Jitter/2 {
				t.Errorf("%+v: attempt %d hardly varies: %v to %v", b, n, low, high)
			}
			full = min(full*b.Factor, 1e18)
		}
	}
}
