package engine

import (
	"fmt"
	"testing"
	"time"

	"carillon/bench/internal/await"
	"carillon/bench/internal/faulty"
	"carillon/bench/plan"
	"carillon/bench/stats"
)

// slowRun runs a broadcast of 20 messages of a size within a second; one in three
// receivers is slow.
func slowRun(t *testing.T, opt faulty.Options, rate, size int) (*rig, SlowSeen, faulty.Stats) {
	t.Helper()
	srv := faulty.Start(t, opt)
	job := newJob(t, plan.Scenario{Kind: plan.Slow, URL: srv.URL(), Connections: 3, Rate: 20, ConnectRate: 5000,
		ReplyTimeout: patience, Message: fmt.Sprintf(`{{.Mark}}{{.Pad %d}}`, size), Slow: &plan.Slowness{Share: 1.0 / 3, Rate: rate}})
	job.Plan.Insecure = true
	r := start(t, job)
	r.connect()
	if n := r.e.Open(); n != 3 {
		t.Errorf("%d open, want 3", n)
	}
	r.run(time.Second)
	seen := r.e.Slow()
	if len(seen) != 1 || seen[0].Clients != 1 || seen[0].Closed+seen[0].Left != 1 {
		t.Fatalf("got %+v, want one client", seen)
	}
	// The healthy ones get everything, whatever the others do.
	c := r.total[0].Measured.Counts
	const want = 20 * 2
	if c.OK != want || c.Expected != want || c.Lost+c.Cut+c.Wrong != 0 {
		t.Errorf("got %+v, want %d at the healthy receivers", c, want)
	}
	return r, seen[0], srv.Stats()
}

// beyondKernel is the size of messages, in bytes, of which 20 are more than what
// the kernel and the server hold for a receiver.
const beyondKernel = 300_000

// Clients that read nothing are closed by a server with bounds, and learn of it at
// the end; one without bounds keeps them.
func TestSlowReadsNothing(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]faulty.Options{"plain": {}, "TLS": {TLS: certificate(t)}} {
		opt.QueueBytes = 1 << 20
		r, seen, st := slowRun(t, opt, 0, beyondKernel)
		if seen.Closed != 1 || st.Overflowed != 1 {
			t.Errorf("%s: got %+v, the server cut %d", name, seen, st.Overflowed)
		}
		var n int64
		for c, k := range seen.Causes {
			if c.Kind != stats.Closed {
				t.Errorf("%s: cause %+v", name, c)
			}
			n += k
		}
		if n != 1 || seen.Read != 0 {
			t.Errorf("%s: got %+v, want a cause and nothing read", name, seen)
		}
		r.disconnect()
		if c := r.all(0); c.Closed != 1 || c.Left != 2 {
			t.Errorf("%s: got %+v, want one closed", name, c)
		}
	}
	r, seen, _ := slowRun(t, faulty.Options{QueueBytes: 1 << 30}, 0, beyondKernel)
	if seen.Left != 1 || seen.Read != 0 {
		t.Errorf("got %+v, want it left", seen)
	}
	r.disconnect()
	if c := r.all(0); c.Closed != 0 || c.Left != 3 {
		t.Errorf("got %+v, want 3 left", c)
	}
}

// The reason that a server gives in its close frame is found behind what had not
// been read.
func TestSlowFindsTheReason(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]faulty.Options{"plain": {}, "TLS": {TLS: certificate(t)}} {
		srv := faulty.Start(t, opt)
		job := newJob(t, plan.Scenario{Kind: plan.Slow, URL: srv.URL(), Connections: 4, Rate: 50, Slow: &plan.Slowness{Share: 1}})
		job.Plan.Insecure = true
		r := start(t, job)
		r.connect()
		st := r.traffic(0, 200*time.Millisecond)
		r.e.sleepUntil(st.To)
		srv.CloseAll(faulty.Close{Code: 1013, Reason: "slow consumer"})
		r.settle(st)
		seen := r.e.Slow()[0]
		if n := seen.Causes[stats.Cause{Kind: stats.Closed, Text: "close 1013 try again later: slow consumer"}]; n != 4 {
			t.Errorf("%s: got %+v", name, seen)
		}
		r.disconnect()
	}
}

// Slow readers read as much as they are told, and no more.
func TestSlowReadsSlowly(t *testing.T) {
	t.Parallel()
	const rate = 50_000
	for name, opt := range map[string]faulty.Options{"plain": {}, "TLS": {TLS: certificate(t)}} {
		opt.QueueBytes = 1 << 30
		began := time.Now()
		r, seen, _ := slowRun(t, opt, rate, 20_000)
		// It lasts from the first message on for a second at least, and not longer than all of this took.
		most := int64(time.Since(began).Seconds() * rate)
		if seen.Read < rate*6/10 || seen.Read > most {
			t.Errorf("%s: %d bytes in a second and a bit, want %d and at most %d", name, seen.Read, rate, most)
		}
		r.disconnect()
	}
}

// The share is kept exactly, over any number of processes.
func TestSlowShare(t *testing.T) {
	t.Parallel()
	for _, share := range []float64{0, .1, .25, 1.0 / 3, .5, .99, 1} {
		sc := &scenario{Scenario: &plan.Scenario{Slow: &plan.Slowness{Share: share}}}
		n := 0
		for i := range 1000 {
			if sc.isSlow(i) {
				n++
			}
			if d := float64(n) - float64(i+1)*share; d > .51 || d < -.51 {
				t.Fatalf("share %v: %d of the first %d", share, n, i+1)
			}
		}
	}
}

// A slow reader answers the pings it gets to.
func TestSlowAnswersPings(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{Faults: faulty.Faults{PingEvery: 20 * time.Millisecond}})
	r := newRig(t, plan.Scenario{Kind: plan.Slow, URL: srv.URL(), Connections: 2, Rate: 1, Slow: &plan.Slowness{Share: 1, Rate: 10_000}})
	r.connect()
	await.Until(t, "pongs", func() bool { return srv.Stats().Pongs >= 4 })
	if st := srv.Stats(); st.BadPongs != 0 || st.BadFrames != 0 {
		t.Errorf("got %+v", st)
	}
	r.disconnect()
}
