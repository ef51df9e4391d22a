package engine

import (
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"carillon/bench/internal/faulty"
	"carillon/bench/plan"
	"carillon/bench/stats"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// gnet and what it imports keep these for the life of the process.
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
	)
}

// rig is one engine against one server.
type rig struct {
	t      *testing.T
	e      *Engine
	total  []stats.Sample
	stages int
}

// newRig completes a plan of one scenario and starts an engine for all of it.
func newRig(t *testing.T, scenarios ...plan.Scenario) *rig {
	t.Helper()
	p := &plan.Plan{Seed: 7, Scenarios: scenarios, OwnTarget: true}
	if err := p.Complete(); err != nil {
		t.Fatal(err)
	}
	job := Job{Plan: p, Run: 0xbe9c, Workers: 1, Loops: 2, Version: "test",
		Pins: map[string][]netip.Addr{"localhost": {netip.MustParseAddr("127.0.0.1")}}}
	for _, s := range p.Scenarios {
		job.Shares = append(job.Shares, Share{Count: s.Connections, Publish: true})
	}
	e, err := New(job)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return &rig{t: t, e: e, total: make([]stats.Sample, len(scenarios))}
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
	want := make([]int, len(r.total))
	for i := range want {
		want[i] = 1 << 30
	}
	r.e.Ramp(r.e.clock.now(), want)
	eventually(r.t, "the ramp to end", func() bool {
		tried, wanted := r.e.RampState()
		return tried == wanted
	})
}

// run measures for d and settles; what was counted is in r.total.
func (r *rig) run(d time.Duration) {
	r.t.Helper()
	at := r.e.clock.now() + int64(50*time.Millisecond)
	st := Stage{Number: r.stages, At: at, From: at, To: at + int64(d)}
	r.stages++
	r.e.Traffic(st)
	r.e.sleepUntil(st.To)
	until := r.e.clock.now() + int64(3*time.Second)
	r.e.Settle(r.e.Heads(until), until)
	r.collect()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestEcho(t *testing.T) {
	srv := faulty.Start(t, faulty.Options{})
	r := newRig(t, plan.Scenario{Kind: plan.Echo, URL: srv.URL(), Connections: 50, Rate: 2000})
	r.connect()
	r.run(time.Second)
	got := r.total[0].Measured.Counts
	if got.Sent != 2000 || got.OK != 2000 || got.Expected != 2000 {
		t.Errorf("got %+v, want 2,000 echoes", got)
	}
	r.e.Disconnect()
	r.collect()
	if left := r.total[0].Other.Counts.Left; left != 50 {
		t.Errorf("got %d connections left, want 50", left)
	}
}
