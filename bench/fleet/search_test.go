package fleet_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"carillon/bench/fleet"
	"carillon/bench/internal/faulty"
	"carillon/bench/plan"
	"carillon/bench/report"
)

// seek completes a plan with a search and runs it.
func seek(t *testing.T, ctx context.Context, p *plan.Plan, opt fleet.Options) *report.Report {
	t.Helper()
	if err := p.Complete(); err != nil {
		t.Fatal(err)
	}
	r, err := fleet.Run(ctx, p, opt)
	if err != nil {
		t.Fatal(err)
	}
	if r.Search == nil {
		t.Fatal("no search in the report")
	}
	for _, s := range r.Search.Steps {
		t.Logf("%+v", s)
	}
	return r
}

// losing has the server lose every tenth message in steps beyond a capacity.
func losing(srv *faulty.Server, capacity float64) func(report.Progress) {
	return func(pr report.Progress) {
		var n int
		var rate float64
		if _, err := fmt.Sscanf(pr.Step, "step %d: %f/s", &n, &rate); err == nil && pr.Phase == "warmup" {
			f := faulty.Faults{}
			if rate > capacity {
				f.DropEvery = 10
			}
			srv.SetFaults(f)
		}
	}
}

// TestFindMaxDownwards: a search that has to go down judges each step by its own
// rate, and the report has every message once.
func TestFindMaxDownwards(t *testing.T) {
	const capacity = 600 // per second
	srv := faulty.Start(t, faulty.Options{})
	p := short(plan.Echo, srv.URL())
	p.Duration, p.Settle = 400*time.Millisecond, 500*time.Millisecond
	p.Scenarios[0].Rate, p.Scenarios[0].ReplyTimeout = 2000, time.Minute
	p.FindMax = "lost<1"
	opt := options()
	opt.Progress = losing(srv, capacity)
	opt.Judge = func(_ *report.Client, all []report.Scenario) []string {
		s := &all[0]
		if due := float64(s.Measured.Counts.Arrivals); math.Abs(due-s.Rate*s.Seconds) > 2 {
			t.Errorf("%.0f operations were due in %.3f s at %.0f/s", due, s.Seconds, s.Rate)
		}
		return nil
	}
	r := seek(t, t.Context(), p, opt)
	if r.Search.Best < capacity*.94 || r.Search.Best > capacity || r.Search.Bound != "server" {
		t.Errorf("got %+v, want about %d", r.Search, capacity)
	}
	s := r.Scenarios[0]
	if s.Rate != r.Search.Best || s.Measured.Counts.Lost != 0 || s.Setup.Counts.Lost == 0 {
		t.Errorf("got %.0f/s, %d lost in it and %d besides, want the best step, and the others' losses besides",
			s.Rate, s.Measured.Counts.Lost, s.Setup.Counts.Lost)
	}
	if sent := s.Measured.Counts.Sent + s.Setup.Counts.Sent; sent != srv.Stats().Received {
		t.Errorf("the report has %d messages sent, the server got %d", sent, srv.Stats().Received)
	}
}

// TestSearchOfConnectionsKeepsStepsApart: what a step shows is of its own
// connections, and so is the report of the best one.
func TestSearchOfConnectionsKeepsStepsApart(t *testing.T) {
	const most = 45
	srv := faulty.Start(t, faulty.Options{MaxConns: most})
	p := short(plan.Echo, srv.URL())
	p.Duration, p.Warmup, p.Settle = 200*time.Millisecond, time.Nanosecond, 500*time.Millisecond
	p.Scenarios[0].Connections, p.Scenarios[0].Rate = 20, 100
	p.FindMax, p.FindOf = "connect_failed<1", plan.OfConnections
	r := seek(t, t.Context(), p, options())
	for _, s := range r.Search.Steps {
		if s.Reached > s.Asked || s.Reached > most || s.Held != (s.Asked <= most) || s.Held != (s.Value == 0) {
			t.Errorf("got %+v with %d places", s, most)
		}
	}
	if r.Search.Best < most*.94 || r.Search.Best > most {
		t.Errorf("got %+v, want about %d", r.Search, most)
	}
	s := r.Scenarios[0]
	if c := s.Setup.Counts; s.Connections != int64(r.Search.Best) || c.Connected != s.Connections || c.ConnectFailed != 0 ||
		c.Left+c.Closed+s.Measured.Counts.Closed != c.Connected {
		t.Errorf("got %d connections, %+v, want those of the best step", s.Connections, c)
	}
}

// TestFindMaxOfOneInAMix: the value of a step is the one of the scenario that the
// goal names.
func TestFindMaxOfOneInAMix(t *testing.T) {
	srv := faulty.Start(t, faulty.Options{})
	p := short(plan.Echo, srv.URL())
	p.Duration, p.Warmup = 200*time.Millisecond, time.Nanosecond
	second := p.Scenarios[0]
	second.Name, second.Rate, p.Scenarios[0].Rate = "second", 100, 100
	p.Scenarios = append(p.Scenarios, second)
	p.FindMax, p.FindTop = "second:p99<1m", 200
	r := seek(t, t.Context(), p, options())
	if r.Search.Steps[0].Value <= 0 || r.Search.Bound != "limit" {
		t.Errorf("got %+v, want the p99 of the second scenario, and the limit as the bound", r.Search)
	}
}

// TestFindMaxEndedEarly: nobody knows what bounds a search that was ended,
// whatever it was doing.
func TestFindMaxEndedEarly(t *testing.T) {
	for _, tt := range []struct {
		phase string
		steps int // that were tried
	}{{"connect", 0}, {"warmup", 0}, {"measure", 1}} {
		t.Run(tt.phase, func(t *testing.T) {
			srv := faulty.Start(t, faulty.Options{})
			p := short(plan.Echo, srv.URL())
			p.Duration, p.Warmup = time.Minute, time.Minute
			if tt.phase == "measure" {
				p.Warmup = time.Nanosecond
			}
			p.Scenarios[0].Rate, p.FindMax = 100, "p99<1m"
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			opt := options()
			opt.Progress = func(pr report.Progress) {
				if pr.Phase == tt.phase && (tt.phase != "measure" || pr.In > 1) {
					cancel()
				}
			}
			r := seek(t, ctx, p, opt)
			if r.Verdict != report.Interrupted || r.Search.Bound != "" || r.Search.Best != 0 || len(r.Search.Steps) != tt.steps {
				t.Errorf("got %s, %+v", r.Verdict, r.Search)
			}
		})
	}
}

// TestFindMaxOutOfSteps: a search that never saw the goal fail does not say that
// it did.
func TestFindMaxOutOfSteps(t *testing.T) {
	srv := faulty.Start(t, faulty.Options{})
	p := short(plan.Echo, srv.URL())
	p.Duration, p.Warmup, p.Settle = 20*time.Millisecond, time.Nanosecond, 500*time.Millisecond
	p.Scenarios[0].Rate, p.Scenarios[0].Connections = 0.0001, 5
	p.FindMax, p.FindTop = "lost<1", 100_000
	r := seek(t, t.Context(), p, options())
	if n := len(r.Search.Steps); r.Search.Bound != "limit" || r.Search.Best != r.Search.Steps[n-1].Asked || r.Search.Best >= p.FindTop ||
		r.Search.Reason != fmt.Sprintf("lost<1 held up to %.0f, where the search ended after its %d steps", r.Search.Best, n) {
		t.Errorf("got %+v", r.Search)
	}
}
