package fleet_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"carillon/bench/fleet"
	"carillon/bench/internal/faulty"
	"carillon/bench/plan"
	"carillon/bench/report"
	"carillon/bench/stats"
)

// carry completes a plan and runs it.
func carry(t *testing.T, ctx context.Context, p *plan.Plan) *report.Report {
	t.Helper()
	if err := p.Complete(); err != nil {
		t.Fatal(err)
	}
	r, err := fleet.Run(ctx, p, options())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range append(r.Warnings, r.Reasons...) {
		t.Log(w)
	}
	return r
}

// options trusts the client: the machines that tests run on are busy.
func options() fleet.Options {
	return fleet.Options{Spawn: spawn(), Version: "test", Judge: func(*report.Client, []report.Scenario) []string { return nil }}
}

func short(kind plan.Kind, url string) *plan.Plan {
	return &plan.Plan{
		Name: string(kind), Warmup: 200 * time.Millisecond, Duration: time.Second,
		Scenarios: []plan.Scenario{{Kind: kind, URL: url, Connections: 60, ConnectRate: 1000}},
	}
}

// TestSlowRamp: connects wait for a slow server, in all processes together as many as may
// be under way, and the report says that their rate was not reached.
func TestSlowRamp(t *testing.T) {
	const takes = 250 * time.Millisecond
	srv := faulty.Start(t, faulty.Options{Faults: faulty.Faults{SlowUpgrade: takes}})
	p := short(plan.Heartbeat, srv.URL())
	p.Workers, p.Warmup, p.Duration = 2, time.Nanosecond, 300*time.Millisecond
	p.Scenarios[0].Connections, p.Scenarios[0].ConnectPending = 20, 2
	r := carry(t, t.Context(), p)
	if c := r.Scenarios[0].Setup.Counts; c.Connected != 20 {
		t.Errorf("%d of 20 are connected", c.Connected)
	}
	if most := r.Scenarios[0].Setup.Hists[stats.Connect].Max(); most < 10*takes {
		t.Errorf("the last connect took %v since it was due, want ten times %v", most, takes)
	}
	if !slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.Contains(w, "instead of 0.0 s") }) {
		t.Errorf("no warning of the ramp in %q", r.Warnings)
	}
}

// TestWorkers: what several processes count adds up to one run.
func TestWorkers(t *testing.T) {
	srv := faulty.Start(t, faulty.Options{})
	p := short(plan.Echo, srv.URL())
	p.Workers = 3
	p.Scenarios[0].Rate = 900
	r := carry(t, t.Context(), p)
	s := r.Scenarios[0]
	if c := s.Measured.Counts; c.Sent < 898 || c.Sent > 902 || c.OK != c.Sent || c.Expected != c.Sent || c.Lost != 0 {
		t.Errorf("got %+v, want 900 echoes, give or take the edges", c)
	}
	if s.Connections != 60 || r.Client.Workers != 3 {
		t.Errorf("got %d connections of %d workers, want 60 of 3", s.Connections, r.Client.Workers)
	}
	if c := s.Setup.Counts; c.Connected != 60 || c.Left != 60 {
		t.Errorf("got %+v in the set-up, want 60 connected and left", c)
	}
	if srv.Stats().ClosedByYou != 60 {
		t.Errorf("got %+v, want 60 close frames", srv.Stats())
	}
}

// TestBroadcastAcrossWorkers: what one worker publishes is expected at the
// connections of all, and the server's faults are found with their number.
func TestBroadcastAcrossWorkers(t *testing.T) {
	srv := faulty.Start(t, faulty.Options{Faults: faulty.Faults{DropEvery: 1000}})
	p := short(plan.Broadcast, srv.URL())
	p.Workers = 2
	p.Settle = time.Second
	p.Warmup = time.Nanosecond
	p.Scenarios[0].Rate = 100
	r := carry(t, t.Context(), p)
	c := r.Scenarios[0].Measured.Counts
	st := srv.Stats()
	if c.Published != 100 || c.Expected != 6000 || c.Lost != st.Dropped || st.Dropped == 0 || c.OK != 6000-st.Dropped {
		t.Errorf("got %+v, server %+v", c, st)
	}
}

// TestAgents: two agents on two addresses take part in one run, in step.
func TestAgents(t *testing.T) {
	srv := faulty.Start(t, faulty.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var agents []string
	ended := make(chan error, 2)
	for range 2 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		agents = append(agents, ln.Addr().String())
		a := &fleet.Agent{Token: "secret", Spawn: spawn()}
		go func() { ended <- a.Serve(ctx, ln) }()
	}
	p := short(plan.Push, srv.URL()+"?user={{.User}}")
	p.Agents, p.AgentToken = agents, "secret"
	p.Scenarios[0].Rate, p.Scenarios[0].User = 400, "u{{.ID}}"
	r := carry(t, t.Context(), p)
	c := r.Scenarios[0].Measured.Counts
	if c.Published != 400 || c.OK != 400 || c.Expected != 400 {
		t.Errorf("got %+v, want 400 pushes", c)
	}
	if r.Client.Agents != 2 || r.Client.Workers != 2 || len(r.Environment.Agents) != 2 {
		t.Errorf("got %+v, want two agents with a worker each", r.Client)
	}

	p = short(plan.Push, srv.URL()+"?user={{.User}}")
	p.Agents, p.AgentToken = agents, "guess"
	p.Scenarios[0].User = "u{{.ID}}"
	if err := p.Complete(); err != nil {
		t.Fatal(err)
	}
	_, err := fleet.Run(t.Context(), p, fleet.Options{Spawn: spawn()})
	if err == nil || !strings.Contains(err.Error(), "the token is wrong") {
		t.Errorf("got %v, want a refusal of the token", err)
	}
	cancel()
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestMostThatWorks: a run that can not work is told how many connections would.
func TestMostThatWorks(t *testing.T) {
	p := short(plan.Heartbeat, "ws://127.0.0.1:1/")
	p.Scenarios[0].Connections, p.Scenarios[0].ConnectRate = 10_000_000, 1e6
	p.Sources = []string{"127.0.0.1"}
	if err := p.Complete(); err != nil {
		t.Fatal(err)
	}
	_, err := fleet.Run(t.Context(), p, options())
	if err == nil || !regexp.MustCompile(`; at most [1-9]\d* connections would work \(`).MatchString(err.Error()) {
		t.Errorf("got %v, want the largest number that works", err)
	}
}

// TestInterrupt: a run that is ended early reports what had run.
func TestInterrupt(t *testing.T) {
	srv := faulty.Start(t, faulty.Options{})
	p := short(plan.Echo, srv.URL())
	p.Duration = time.Minute
	p.Scenarios[0].Rate = 500
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := p.Complete(); err != nil {
		t.Fatal(err)
	}
	opt := options()
	opt.Progress = func(pr report.Progress) {
		if pr.Phase == "measure" && pr.In > 1 {
			cancel()
		}
	}
	r, err := fleet.Run(ctx, p, opt)
	if err != nil {
		t.Fatal(err)
	}
	c := r.Scenarios[0].Measured.Counts
	if r.Verdict != report.Interrupted || c.Sent == 0 || c.Sent != c.OK || c.Refused != 0 || c.Lost != 0 {
		t.Errorf("got %s with %+v", r.Verdict, c)
	}
	if sent := r.Scenarios[0].Seconds * 500; float64(c.Sent) < sent-2 || float64(c.Sent) > sent+2 {
		t.Errorf("got %d sent in %.2f s, want %.0f", c.Sent, r.Scenarios[0].Seconds, sent)
	}
}

// TestFindMax: the search finds the rate from which on a server loses messages.
// That it does is told by the step that is shown, so that a busy machine does not
// count.
func TestFindMax(t *testing.T) {
	const capacity = 1500 // per second
	srv := faulty.Start(t, faulty.Options{})
	p := short(plan.Echo, srv.URL())
	p.Duration, p.Settle = 400*time.Millisecond, 500*time.Millisecond
	p.Scenarios[0].Rate, p.Scenarios[0].ReplyTimeout = 250, time.Minute
	p.FindMax, p.FindTop = "lost<1", 16000
	opt := options()
	opt.Progress = losing(srv, capacity)
	r := seek(t, t.Context(), p, opt)
	if r.Search.Best < capacity*.94 || r.Search.Best > capacity || r.Search.Bound != "server" || len(r.Search.Steps) > 10 {
		t.Errorf("got %+v, want about %d", r.Search, capacity)
	}
	if s := r.Scenarios[0]; s.Rate != r.Search.Best || s.Measured.Counts.Lost != 0 {
		t.Errorf("the report shows %.0f/s with %d lost, want the best step", s.Rate, s.Measured.Counts.Lost)
	}
}

// TestNobodyLeft: a server that took somebody, and lost him again, was there.
func TestNobodyLeft(t *testing.T) {
	var first sync.Once
	lost := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first.Do(func() {
			defer close(lost)
			if nc, _, _, err := ws.UpgradeHTTP(r, w); err == nil {
				_ = nc.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, nc) // until the client has noticed
				_ = nc.Close()
			}
		})
		<-lost
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of an answer after the upgrade
	defer srv.Close()
	r := carry(t, t.Context(), short(plan.Echo, "ws://"+srv.Listener.Addr().String()+"/"))
	if c := r.Scenarios[0].Setup.Counts; r.Verdict != report.Failed || c.Connected != 1 || c.Closed != 1 || r.Reasons[0] != "no connection is left" {
		t.Errorf("got %s, %q: %+v", r.Verdict, r.Reasons, c)
	}
}

// TestNobodyThere: a server that does not answer is a failure with its cause.
func TestNobodyThere(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "ws://" + ln.Addr().String() + "/"
	_ = ln.Close()
	r := carry(t, t.Context(), short(plan.Echo, url))
	if r.Verdict != report.Failed || r.Reasons[0] != "no connection could be made" || r.Scenarios[0].Setup.Counts.ConnectFailed != 60 ||
		r.Scenarios[0].Setup.Causes[stats.Cause{Kind: stats.ConnectFailed, Text: "connect: connection refused"}] != 60 {
		t.Errorf("got %s: %+v", r.Verdict, r.Scenarios[0].Setup)
	}
}

// TestStorm: all cycles are in the report and the run ends when the last is over.
func TestStorm(t *testing.T) {
	srv := faulty.Start(t, faulty.Options{})
	p := short(plan.Storm, srv.URL())
	p.Workers, p.Warmup, p.Duration = 2, 0, 0
	p.Scenarios[0].Storm = &plan.Storming{Cycles: 2, Every: 500 * time.Millisecond, GiveUp: 20 * time.Second}
	r := carry(t, t.Context(), p)
	s := r.Scenarios[0]
	if len(s.Storms) != 2 {
		t.Fatalf("got %d storms, want 2", len(s.Storms))
	}
	for _, c := range s.Storms {
		if c.Dropped != 60 || c.Back != 60 || c.Abandoned != 0 || c.All <= 0 || c.Half > c.All {
			t.Errorf("got %+v", c)
		}
	}
	if r.Seconds > 15 {
		t.Errorf("the run took %.1f s: it did not end with the last storm", r.Seconds)
	}
}

// TestNoResult: figures of a client that was the bottleneck are none.
func TestNoResult(t *testing.T) {
	srv := faulty.Start(t, faulty.Options{})
	p := short(plan.Echo, srv.URL())
	p.FailIf = []string{"lost>0"}
	opt := options()
	opt.Judge = func(c *report.Client, s []report.Scenario) []string {
		if c.Workers != 1 || c.CPUSeconds <= 0 || c.Late.Count == 0 || c.Lag.Count == 0 || c.Ticks == 0 || len(s) != 1 {
			t.Errorf("judged by too little: %+v", c)
		}
		return []string{"it was slow"}
	}
	if err := p.Complete(); err != nil {
		t.Fatal(err)
	}
	r, err := fleet.Run(t.Context(), p, opt)
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict != report.NoResult || !r.Client.Bottleneck || !strings.Contains(strings.Join(r.Reasons, " "), "it was slow") {
		t.Errorf("got %s: %q", r.Verdict, r.Reasons)
	}
}

// TestWorkerDies: a run whose worker is killed ends at once, with an error in its
// report.
func TestWorkerDies(t *testing.T) {
	srv := faulty.Start(t, faulty.Options{})
	p := short(plan.Echo, srv.URL())
	p.Duration, p.Workers = time.Minute, 2
	if err := p.Complete(); err != nil {
		t.Fatal(err)
	}
	opt := options()
	killed := false
	opt.Progress = func(pr report.Progress) {
		if pr.Phase != "measure" || pr.In < 1 || killed {
			return
		}
		killed = true
		pids := children(t)
		if len(pids) != 2 {
			t.Errorf("got %d workers, want 2", len(pids))
		}
		for _, pid := range pids[:1] {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	r, err := fleet.Run(t.Context(), p, opt)
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict != report.Errored || !strings.Contains(strings.Join(r.Reasons, " "), "the worker has ended") {
		t.Errorf("got %s: %q", r.Verdict, r.Reasons)
	}
	if r.Seconds > 30 {
		t.Errorf("the run went on for %.0f s", r.Seconds)
	}
}

// children lists the processes that this one has started.
func children(t *testing.T) (pids []int) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range tasks {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		for _, f := range strings.Fields(string(b)) {
			pid, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestSearchOfConnections: the search raises the number of connections until the
// server has no more.
func TestSearchOfConnections(t *testing.T) {
	const most = 60
	srv := faulty.Start(t, faulty.Options{MaxConns: most})
	p := short(plan.Echo, srv.URL())
	p.Duration, p.Warmup, p.Settle = 300*time.Millisecond, time.Nanosecond, 500*time.Millisecond
	p.Scenarios[0].Connections, p.Scenarios[0].Rate = 10, 100
	p.FindMax, p.FindOf, p.FindTop = "p99<5s", plan.OfConnections, 1000
	r := carry(t, t.Context(), p)
	if r.Search == nil || r.Search.Best < most*0.9 || r.Search.Best > most*1.1 || r.Search.Bound != "server" {
		t.Errorf("got %+v, want about %d", r.Search, most)
	}
}
