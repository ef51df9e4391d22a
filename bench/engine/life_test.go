package engine

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"carillon/bench/internal/await"
	"carillon/bench/internal/faulty"
	"carillon/bench/plan"
	"carillon/bench/stats"
)

// descriptors are the open files of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here")
	}
	return len(all)
}

// blackHole accepts nothing: connects to it are under way for ever. Its backlog is
// full.
func blackHole(t *testing.T) (url string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 4 { // fill the backlog
		if nc, err := net.DialTimeout("tcp", addr, 100*time.Millisecond); err == nil {
			t.Cleanup(func() { _ = nc.Close() })
		}
	}
	return "ws://" + addr + "/ws"
}

// Whatever is under way, Close returns soon, and nothing is left: no goroutine, no
// descriptor. It may be called again.
func TestCloseInEveryState(t *testing.T) {
	silent := faulty.Faults{SilentEvery: 1}
	backoff := &plan.Backoff{Base: time.Hour / 2, Factor: 1, Max: time.Hour, Jitter: .1}
	states := []struct {
		name   string
		sc     plan.Scenario
		faults faulty.Faults
		tls    bool
		url    func(t *testing.T) string
		during func(r *rig, srv *faulty.Server)
	}{
		{name: "unused", sc: plan.Scenario{Kind: plan.Echo}, during: func(*rig, *faulty.Server) {}},
		{name: "connect", sc: plan.Scenario{Kind: plan.Echo}, url: blackHole, during: func(r *rig, _ *faulty.Server) {
			rampAll(r)
			await.Until(r.t, "connects", func() bool { r.collect(); return r.all(0).Connects == 50 })
		}},
		{name: "handshake", sc: plan.Scenario{Kind: plan.Echo}, faults: silent, during: func(r *rig, srv *faulty.Server) {
			rampAll(r)
			await.Until(r.t, "connections", func() bool { return srv.Stats().Silent == 50 })
		}},
		{name: "TLS handshake", sc: plan.Scenario{Kind: plan.Echo}, faults: silent, tls: true, during: func(r *rig, srv *faulty.Server) {
			rampAll(r)
			await.Until(r.t, "connections", func() bool { return srv.Stats().Silent == 50 })
		}},
		{name: "slow handshake", sc: plan.Scenario{Kind: plan.Slow, Slow: &plan.Slowness{Share: 1}}, faults: silent, during: func(r *rig, srv *faulty.Server) {
			rampAll(r)
			await.Until(r.t, "connections", func() bool { return srv.Stats().Silent == 50 })
		}},
		{name: "traffic", sc: plan.Scenario{Kind: plan.Echo, Rate: 2000}, during: someTraffic},
		{name: "traffic over TLS", sc: plan.Scenario{Kind: plan.Echo, Rate: 2000}, tls: true, during: someTraffic},
		{name: "closed model", sc: plan.Scenario{Kind: plan.Echo, Model: plan.Closed, Outstanding: 3}, during: someTraffic},
		{name: "publishing", sc: plan.Scenario{Kind: plan.Push, Rate: 500}, during: someTraffic},
		{name: "publishing to a server that does not answer", sc: plan.Scenario{Kind: plan.Broadcast, Rate: 500}, during: func(r *rig, srv *faulty.Server) {
			r.connect()
			srv.SetFaults(faulty.Faults{Stall: faulty.Stall{Every: time.Hour, For: time.Hour}})
			r.traffic(0, time.Hour)
			await.Until(r.t, "a publish", func() bool { return srv.Stats().Publishes > 0 })
		}},
		{name: "churn", sc: plan.Scenario{Kind: plan.Churn, Rate: 100, Churn: &plan.Churning{Rate: 500}}, during: someTraffic},
		{name: "storm", sc: plan.Scenario{Kind: plan.Storm, Storm: &plan.Storming{Cycles: 1000, Every: time.Millisecond}}, during: func(r *rig, srv *faulty.Server) {
			r.connect()
			r.traffic(0, time.Hour)
			await.Until(r.t, "reconnects", func() bool { return srv.Stats().Upgraded > 200 })
		}},
		{name: "storm that waits", sc: plan.Scenario{Kind: plan.Storm, Storm: &plan.Storming{GiveUp: time.Hour, Backoff: backoff}}, during: func(r *rig, srv *faulty.Server) {
			r.connect()
			r.traffic(0, time.Hour)
			await.Until(r.t, "all to be gone", func() bool { return srv.Conns() == 0 })
		}},
		{name: "slow clients", sc: plan.Scenario{Kind: plan.Slow, Rate: 500, Slow: &plan.Slowness{Share: .5, Rate: 1000}}, during: someTraffic},
		{name: "slow clients over TLS", sc: plan.Scenario{Kind: plan.Slow, Rate: 500, Slow: &plan.Slowness{Share: .5}}, tls: true, during: someTraffic},
		{name: "backpressure", sc: plan.Scenario{Kind: plan.Echo, Rate: 20_000, Message: "{{.Mark}}{{.Pad 10000}}"}, during: func(r *rig, srv *faulty.Server) {
			r.connect()
			srv.SetFaults(faulty.Faults{NoRead: true})
			r.traffic(0, time.Hour)
			await.Until(r.t, "full sockets", func() bool { r.collect(); return r.all(0).Refused > 100 })
		}},
		{name: "settling", sc: plan.Scenario{Kind: plan.Echo, Rate: 1000}, faults: faulty.Faults{DropEvery: 2}, during: func(r *rig, _ *faulty.Server) {
			r.connect()
			st := r.traffic(0, 100*time.Millisecond)
			r.e.sleepUntil(st.To)
			done := make(chan struct{})
			go func() { r.e.Settle(nil, r.e.clock.now()+int64(time.Hour)); close(done) }()
			r.t.Cleanup(func() { <-done })
		}},
		{name: "disconnected", sc: plan.Scenario{Kind: plan.Echo, Rate: 1000}, during: func(r *rig, _ *faulty.Server) { r.connect(); r.run(short); r.disconnect() }},
	}
	for _, tt := range states {
		t.Run(tt.name, func(t *testing.T) {
			opt := faulty.Options{}
			if tt.tls {
				opt.TLS = certificate(t)
			}
			srv := faulty.Start(t, opt)
			tt.sc.URL, tt.sc.Connections, tt.sc.ConnectRate = srv.URL(), 50, 5000
			if tt.url != nil {
				tt.sc.URL = tt.url(t)
			}
			srv.SetFaults(tt.faults)
			job := newJob(t, tt.sc)
			job.Plan.Insecure = true
			base := descriptors(t)
			r := start(t, job)
			tt.during(r, srv)
			began := time.Now()
			r.e.Close()
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
			r.e.Close()
			// What there is of it now is the server's side.
			srv.Close()
			await.Until(t, "descriptors to be closed", func() bool { return descriptors(t) <= base })
		})
	}
}

func rampAll(r *rig) { r.e.Ramp(r.e.clock.now(), []int{1 << 30}) }

func someTraffic(r *rig, _ *faulty.Server) {
	r.connect()
	r.traffic(0, time.Hour)
	await.Until(r.t, "traffic", func() bool { r.collect(); return r.all(0).Arrivals > 100 })
}

// Disconnect ends everything politely in every state, too, and all sums agree.
func TestDisconnectWhileConnecting(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"connect": blackHole(t), "handshake": ""} {
		srv := faulty.Start(t, faulty.Options{Faults: faulty.Faults{SilentEvery: 2}})
		if url == "" {
			url = srv.URL()
		}
		r := newRig(t, plan.Scenario{Kind: plan.Echo, URL: url, Connections: 3000, ConnectRate: 20_000, ConnectTimeout: time.Minute})
		rampAll(r)
		await.Until(t, "connects", func() bool { r.collect(); return r.all(0).Connects > 1500 })
		r.disconnect()
		if n := r.cause(0, stats.ConnectFailed, causeEnded) + r.cause(0, stats.ConnectFailed, "connect: "+causeEnded); n < 500 {
			t.Errorf("%s: %d failed because the run ended: %v", name, n, r.total[0].Other.Causes)
		}
		r.e.Ramp(r.e.clock.now(), []int{1 << 30})
		if tried, wanted := r.e.RampState(); wanted > 3000 || tried > wanted {
			t.Errorf("%s: connects after the end: %d of %d", name, tried, wanted)
		}
	}
}

// A run of which every connection is refused is not without figures: what was due
// is refused.
func TestNobodyConnected(t *testing.T) {
	t.Parallel()
	refusing := faulty.Start(t, faulty.Options{Faults: faulty.Faults{RefuseEvery: 1}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "ws://" + ln.Addr().String() + "/ws"
	_ = ln.Close()
	for url, cause := range map[string]string{refusing.URL(): "HTTP 503 Service Unavailable", nobody: "connect: connection refused"} {
		for _, kind := range []plan.Kind{plan.Heartbeat, plan.Echo, plan.Soak} {
			r := newRig(t, plan.Scenario{Kind: kind, URL: url, Connections: 20, Rate: 1000, ConnectRate: 5000})
			r.connect()
			r.run(short)
			r.disconnect()
			expect(t, r.all(0), stats.Counts{ConnectFailed: 20, Refused: 300})
			if n := r.cause(0, stats.ConnectFailed, cause); n != 20 {
				t.Errorf("%d of %q, want 20: %v", n, cause, r.total[0].Other.Causes)
			}
		}
		r := newRig(t, plan.Scenario{Kind: plan.Broadcast, URL: url, Connections: 20, Rate: 100, ConnectRate: 5000})
		r.connect()
		r.run(short)
		r.disconnect()
		if c := r.all(0); c.Expected != 0 || c.Published+c.PublishFailed != 30 {
			t.Errorf("broadcast: got %+v", c)
		}
	}
}

// A server that dies in the middle of a run: everything is accounted for.
func TestServerDies(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		srv := faulty.Start(t, faulty.Options{})
		r := newRig(t, load(kind, srv))
		r.connect()
		st := r.traffic(0, 3*time.Second) // some are due after the end, however late that comes
		r.e.sleepUntil(st.From + int64(300*time.Millisecond))
		srv.Close()
		r.settle(st)
		r.disconnect()
		c := r.all(0)
		conns := int64(40)
		if kind == "hub" {
			conns++
		}
		if c.Closed != conns || c.Lost != 0 || c.Refused+c.PublishFailed == 0 || c.OK == 0 {
			t.Errorf("got %+v", c)
		}
		for _, cause := range []string{"closed without a close frame", "reset by peer"} {
			c.Closed -= r.cause(0, stats.Closed, cause)
		}
		if c.Closed != 0 {
			t.Errorf("closed for other reasons: %v", r.total[0].Measured.Causes)
		}
	})
}

// A server that does not read fills the sockets; what it does not take is refused,
// and the memory for it is bounded.
func TestBackpressure(t *testing.T) {
	srv := faulty.Start(t, faulty.Options{})
	r := newRig(t, plan.Scenario{Kind: plan.Echo, URL: srv.URL(), Connections: 10, Rate: 2000, Message: "{{.Mark}}{{.Pad 100000}}"})
	r.connect()
	srv.SetFaults(faulty.Faults{NoRead: true})
	st := r.traffic(0, time.Second)
	var before, now runtime.MemStats
	debug.FreeOSMemory()
	runtime.ReadMemStats(&before)
	r.e.sleepUntil(st.To)
	runtime.GC()
	runtime.ReadMemStats(&now)
	r.collect()
	c := r.total[0].Measured.Counts
	if c.Refused < 500 || c.Sent+c.Refused != c.Arrivals {
		t.Errorf("got %+v, want most refused", c)
	}
	if grown := int64(now.HeapAlloc) - int64(before.HeapAlloc); grown > 10*2*maxUnsent+8<<20 {
		t.Errorf("the heap has grown by %d KiB for 10 connections", grown>>10)
	}
	srv.SetFaults(faulty.Faults{})
	r.e.Settle(nil, r.e.clock.now()+int64(patience)) // what was taken comes back
	r.disconnect()
	if c := r.total[0].Measured.Counts; c.OK != c.Sent || c.Lost != 0 {
		t.Errorf("got %+v, want everything that was sent", c)
	}
}

// The same for the closed model: it goes on when the server reads again.
func TestBackpressureInTheClosedModel(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{QueueBytes: 1 << 30})
	r := newRig(t, plan.Scenario{Kind: plan.Echo, URL: srv.URL(), Connections: 2, Model: plan.Closed, Outstanding: 200, Think: time.Second,
		ReplyTimeout: patience, Message: "{{.Mark}}{{.Pad 100000}}"})
	r.connect()
	srv.SetFaults(faulty.Faults{NoRead: true})
	st := r.traffic(0, 3*time.Second)
	await.Until(t, "full sockets", func() bool { r.collect(); return r.all(0).Refused > 0 })
	full := r.all(0).Sent
	srv.SetFaults(faulty.Faults{})
	await.Until(t, "more to be sent", func() bool { r.collect(); return r.all(0).Sent > full })
	r.e.sleepUntil(st.To)
	r.e.Settle(nil, r.e.clock.now()+int64(patience))
	r.disconnect()
	if c := r.all(0); c.OK != c.Sent || c.Lost != 0 {
		t.Errorf("got %+v, want all that was sent", c)
	}
}

// Thousands of connections: each is there, gets everything, and goes.
func TestThousandsOfConnections(t *testing.T) {
	t.Parallel()
	const n = 3000
	srv := faulty.Start(t, faulty.Options{})
	r := newRig(t, plan.Scenario{Kind: plan.Broadcast, URL: srv.URL(), Connections: n, Rate: 10, ConnectRate: 10_000})
	r.srv = srv
	r.connect()
	if got := r.e.Open(); got != n || srv.Conns() != n {
		t.Fatalf("%d open, the server has %d", got, srv.Conns())
	}
	var each []int
	r.round(func(g *group) { each = append(each, len(g.live)) })
	if each[0] != n/2 || each[1] != n/2 {
		t.Errorf("loops have %v, want half each", each)
	}
	r.run(500 * time.Millisecond)
	r.disconnect()
	expect(t, r.all(0), stats.Counts{})
	if c := r.all(0); c.OK != 5*n {
		t.Errorf("got %+v, want %d", c, 5*n)
	}
	await.Until(t, "the server to see them go", func() bool { return srv.Conns() == 0 })
	if st := srv.Stats(); st.ClosedByYou != n {
		t.Errorf("%d said goodbye, want %d", st.ClosedByYou, n)
	}
}

// A job that makes no sense is refused before anything is started.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := func() Job {
		return newJob(t, plan.Scenario{Kind: plan.Echo, URL: "ws://localhost:1/ws", Connections: 10})
	}
	for want, change := range map[string]func(*Job){
		"without a plan":          func(j *Job) { j.Plan = nil },
		"0 shares for 1":          func(j *Job) { j.Shares = nil },
		"connections 5 to 15 of":  func(j *Job) { j.Shares[0] = Share{First: 5, Count: 10} },
		"no address of localhost": func(j *Job) { j.Pins = nil },
		"unknown kind":            func(j *Job) { j.Plan.Scenarios[0].Kind = "dance" },
		"token file":              func(j *Job) { j.Plan.Scenarios[0].TokenFile = "/does/not/exist" },
	} {
		j := good()
		change(&j)
		if e, err := New(j); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
			if e != nil {
				e.Close()
			}
		}
	}
}
