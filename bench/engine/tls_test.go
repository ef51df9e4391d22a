package engine

import (
	"strings"
	"testing"
	"time"

	"carillon/bench/internal/await"
	"carillon/bench/internal/faulty"
	"carillon/bench/plan"
	"carillon/bench/stats"
)

// Over TLS everything counts as it does without.
func TestTLS(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		srv := faulty.Start(t, faulty.Options{TLS: certificate(t), Faults: faulty.Faults{DropEvery: 37}})
		sc := load(kind, srv)
		sc.Rate /= 2
		job := newJob(t, sc)
		job.Plan.Insecure = true
		r := start(t, job)
		r.srv = srv
		r.connect()
		r.run(short)
		r.disconnect()
		st := srv.Stats()
		expect(t, r.all(0), stats.Counts{Lost: st.Dropped})
		if n := r.total[0].Other.Hists[stats.TLS].Count(); n != r.all(0).Connected || n < 40 {
			t.Errorf("%d TLS handshakes measured, want %d", n, r.all(0).Connected)
		}
		await.Until(t, "the server to see them go", func() bool { return srv.Conns() == 0 })
		if st := srv.Stats(); st.ClosedByYou != st.Upgraded {
			t.Errorf("%d of %d said goodbye", st.ClosedByYou, st.Upgraded)
		}
	})
}

// A certificate of nobody we know is not accepted, unless the plan says so.
func TestTLSVerifies(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{TLS: certificate(t)})
	r := newRig(t, plan.Scenario{Kind: plan.Echo, URL: srv.URL(), Connections: 20, Rate: 100},
		plan.Scenario{Kind: plan.Slow, URL: srv.URL(), Connections: 10, Rate: 100, Slow: &plan.Slowness{Share: 1}})
	r.connect()
	r.run(short)
	r.disconnect()
	for i, want := range []int64{20, 10} {
		n := int64(0)
		for c, k := range r.total[i].Other.Causes {
			if c.Kind == stats.ConnectFailed && strings.HasPrefix(c.Text, "tls: certificate: x509: certificate signed by unknown authority") {
				n += k
			}
		}
		if c := r.all(i); n != want || c.Connected != 0 {
			t.Errorf("scenario %d: %d refused for the certificate, want %d: %v", i, n, want, r.total[i].Other.Causes)
		}
	}
	if n := r.all(1).PublishFailed; n != 30 || srv.Stats().Publishes != 0 {
		t.Errorf("%d publishes failed, want 30: %v", n, r.total[1].Measured.Causes)
	}
}

// A server that speaks no TLS fails with a cause that says so.
func TestTLSAgainstPlain(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{})
	r := newRig(t, plan.Scenario{Kind: plan.Echo, URL: strings.Replace(srv.URL(), "ws:", "wss:", 1), Connections: 5, Rate: 100})
	r.connect()
	r.disconnect()
	if n := r.cause(0, stats.ConnectFailed, "tls: first record does not look like a TLS handshake"); n != 5 {
		t.Errorf("got %v", r.total[0].Other.Causes)
	}
}

// An abrupt end is one over TLS, too.
func TestTLSAbrupt(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{TLS: certificate(t)})
	job := newJob(t, plan.Scenario{Kind: plan.Storm, URL: srv.URL(), Connections: 20, Storm: &plan.Storming{Cycles: 1, Every: time.Millisecond, Abrupt: true}})
	job.Plan.Insecure = true
	r := start(t, job)
	r.connect()
	r.run(50 * time.Millisecond)
	r.disconnect()
	await.Until(t, "the server to see them go", func() bool { return srv.Conns() == 0 })
	if st := srv.Stats(); st.Vanished != 20 || st.ClosedByYou != 20 {
		t.Errorf("got %+v, want 20 to vanish", st)
	}
	if c := r.e.Storms()[0]; c.Back != 20 {
		t.Errorf("got %+v, want all back", c)
	}
}
