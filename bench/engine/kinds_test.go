package engine

import (
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"carillon/bench/internal/await"
	"carillon/bench/internal/faulty"
	"carillon/bench/plan"
	"carillon/bench/stats"
)

// The ramp of kind connect is what is measured.
func TestConnect(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{Faults: faulty.Faults{RefuseEvery: 10}})
	r := newRig(t, plan.Scenario{Kind: plan.Connect, URL: srv.URL(), Connections: 200, ConnectRate: 500})
	r.connect() // nobody
	if srv.Stats().Accepted != 0 {
		t.Error("connections before the measured period")
	}
	st := r.traffic(0, 600*time.Millisecond)
	await.Until(t, "the ramp to end", func() bool {
		tried, wanted := r.e.RampState()
		return wanted == 200 && tried == wanted
	})
	r.settle(st)
	m := &r.total[0].Measured
	c := m.Counts
	if c.Connects != 200 || c.Connected != 180 || c.ConnectFailed != 20 {
		t.Errorf("got %+v, want 180 of 200 connected", c)
	}
	for _, metric := range []stats.Metric{stats.TCP, stats.Upgrade, stats.Connect} {
		want := int64(180)
		if metric == stats.TCP {
			want = 200
		}
		if n := m.Hists[metric].Count(); n != want {
			t.Errorf("%v: %d measured, want %d", metric, n, want)
		}
	}
	if r.total[0].Open != 180 {
		t.Errorf("%d open, want 180", r.total[0].Open)
	}
	r.disconnect()
	expect(t, r.all(0), stats.Counts{ConnectFailed: 20})
}

// Connections come and go beside those that stay, whose number and figures do not
// change.
func TestChurn(t *testing.T) {
	t.Parallel()
	for _, abrupt := range []bool{false, true} {
		srv := faulty.Start(t, faulty.Options{})
		r := newRig(t, plan.Scenario{Kind: plan.Churn, URL: srv.URL(), Connections: 20, Rate: 500, ConnectRate: 5000,
			Churn: &plan.Churning{Rate: 200, Lifetime: 100 * time.Millisecond, Abrupt: abrupt}})
		r.srv = srv
		r.connect()
		st := r.traffic(0, time.Second)
		for r.e.clock.now() < st.To {
			if n := r.e.Open(); n != 20 {
				t.Fatalf("%d open, want 20 all the time", n)
			}
			r.e.sleepUntil(r.e.clock.now() + int64(10*time.Millisecond))
		}
		r.settle(st)
		c := r.total[0].Measured.Counts
		if c.Connects != 200 || c.OK != 500 || c.Sent != 500 {
			t.Errorf("got %+v, want 200 to come and 500 replies", c)
		}
		await.Until(t, "the last to leave", func() bool { return srv.Conns() == 20 })
		r.disconnect()
		if all := r.all(0); all.Connected != 220 || all.Left != 220 {
			t.Errorf("got %+v, want 220 to come and leave", all)
		}
		await.Until(t, "the server to see them go", func() bool { return srv.Conns() == 0 })
		if got := srv.Stats().Vanished; abrupt && got != 200 || !abrupt && got != 0 {
			t.Errorf("abrupt %v: %d vanished", abrupt, got)
		}
	}
}

// The closed model with a think time asks no more often than that, and with
// several under way keeps as many of them.
func TestClosedModel(t *testing.T) {
	t.Parallel()
	for _, kind := range []plan.Kind{plan.Heartbeat, plan.Echo} {
		srv := faulty.Start(t, faulty.Options{})
		r := newRig(t, plan.Scenario{Kind: kind, URL: srv.URL(), Connections: 10, Model: plan.Closed, Think: 50 * time.Millisecond})
		r.srv = srv
		r.connect()
		r.run(time.Second)
		r.disconnect()
		if c := r.total[0].Measured.Counts; c.OK < 30 || c.OK > 210 || c.OK != c.Sent {
			t.Errorf("%s: got %+v, want at most 20 each", kind, c)
		}
	}
	// Answers take 100 ms: with five under way that is 50 a second each.
	srv := faulty.Start(t, faulty.Options{Faults: faulty.Faults{Delay: 100 * time.Millisecond}})
	r := newRig(t, plan.Scenario{Kind: plan.Echo, URL: srv.URL(), Connections: 10, Model: plan.Closed, Outstanding: 5})
	r.srv = srv
	r.connect()
	r.run(time.Second)
	r.disconnect()
	if c := r.total[0].Measured.Counts; c.OK < 100 || c.OK > 500 || c.OK != c.Sent {
		t.Errorf("got %+v, want up to 500", c)
	}
}

// A connection that comes in the middle of a stage of the closed model does not
// wait until those that were there have thought.
func TestClosedModelLateJoin(t *testing.T) {
	t.Parallel()
	for _, kind := range []plan.Kind{plan.Heartbeat, plan.Echo} {
		srv := faulty.Start(t, faulty.Options{})
		r := newRig(t, plan.Scenario{Kind: kind, URL: srv.URL(), Connections: 20, Model: plan.Closed, Think: time.Hour})
		r.connectUpTo(10)
		r.traffic(0, time.Hour)
		for _, n := range []int64{10, 20} {
			r.connectUpTo(int(n))
			await.Until(t, "everybody to have asked once", func() bool { return srv.Stats().Received == n })
		}
	}
}

// Replies that never come do not run the closed model dry.
func TestClosedModelWithLosses(t *testing.T) {
	t.Parallel()
	for _, kind := range []plan.Kind{plan.Heartbeat, plan.Echo} {
		srv := faulty.Start(t, faulty.Options{Faults: faulty.Faults{DropEvery: 2}})
		sc := plan.Scenario{Kind: kind, URL: srv.URL(), Connections: 4, Model: plan.Closed, ReplyTimeout: 150 * time.Millisecond, Think: 5 * time.Millisecond}
		if kind == plan.Echo {
			sc.Outstanding = 3
		}
		r := newRig(t, sc)
		r.srv = srv
		r.connect()
		st := r.traffic(100*time.Millisecond, 2*time.Second) // the warm-up's end is no dead end either
		r.e.sleepUntil(st.To - int64(time.Second))
		before := srv.Stats().Received
		await.Until(t, "requests at the end as at the beginning", func() bool { return srv.Stats().Received > before })
		r.settle(st)
		r.disconnect()
		// A busy machine makes some late, and heartbeats that are very late are taken for others.
		all, st2 := r.all(0), srv.Stats()
		if all.Lost-all.Late-all.Duplicate != st2.Dropped || all.OK+all.Late+all.Duplicate != st2.Sent {
			t.Errorf("%s: got %+v, the server %+v", kind, all, st2)
		}
	}
}

// With "*" any message is the reply, binary ones too.
func TestExpectAnything(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{Faults: faulty.Faults{CorruptEvery: 10}})
	r := newRig(t, plan.Scenario{Kind: plan.Heartbeat, URL: srv.URL(), Connections: 10, Rate: 500, Message: "hello {{.ID}}", Expect: "*"})
	r.srv = srv
	r.connect()
	r.run(short)
	r.disconnect()
	expect(t, r.all(0), stats.Counts{})
	if c := r.all(0); c.OK != 150 {
		t.Errorf("got %+v, want 150", c)
	}
}

// A reply that depends on the connection is compared with what this one has to get.
func TestExpectTemplate(t *testing.T) {
	t.Parallel()
	for expected, want := range map[string]stats.Counts{"user u{{.ID}} {{.User}}": {}, "user u{{.ID}} v{{.ID}}": {Wrong: 150}} {
		srv := faulty.Start(t, faulty.Options{})
		r := newRig(t, plan.Scenario{Kind: plan.Heartbeat, URL: srv.URL(), Connections: 20, Rate: 500, FirstID: 95,
			User: "u{{.ID}}", Message: "user {{.User}} u{{.ID}}", Expect: expected})
		r.srv = srv
		r.connect()
		r.run(short)
		r.disconnect()
		expect(t, r.all(0), want)
		if c := r.all(0); c.OK != 150-want.Wrong {
			t.Errorf("%s: got %+v", expected, c)
		}
	}
}

// Replies of the other kind of message are not the reply.
func TestBinaryReplies(t *testing.T) {
	t.Parallel()
	srv := binaryServer(t)
	for expected, right := range map[string]bool{"*": true, "pong": false} {
		r := newRig(t, plan.Scenario{Kind: plan.Heartbeat, URL: srv, Connections: 4, Rate: 200, Message: "ping", Expect: expected})
		r.connect()
		r.run(short)
		r.disconnect()
		if c := r.all(0); c.Received != 60 || right && c.OK != 60 || !right && c.Wrong != 60 {
			t.Errorf("expected %q: got %+v", expected, c)
		}
	}
}

// What several scenarios do at once does not disturb their figures: a broadcast
// reaches the connections of all of them.
func TestMix(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{})
	r := newRig(t,
		plan.Scenario{Kind: plan.Heartbeat, URL: srv.URL(), Connections: 20, Rate: 500, ConnectRate: 5000},
		plan.Scenario{Kind: plan.Echo, URL: srv.URL(), Connections: 20, Rate: 500, ConnectRate: 5000},
		plan.Scenario{Kind: plan.Broadcast, URL: srv.URL(), Connections: 20, Rate: 30, ConnectRate: 5000},
		plan.Scenario{Kind: plan.Heartbeat, URL: srv.URL(), Connections: 10, Rate: 100, ConnectRate: 5000, Message: "any", Expect: "*"},
		plan.Scenario{Kind: plan.Connect, URL: srv.URL(), Connections: 10, ConnectRate: 1000},
	)
	r.srv = srv
	r.connect()
	r.run(time.Second)
	r.disconnect()
	for i, want := range []int64{500, 500, 600, 100, 0} {
		c := r.all(i)
		expect(t, c, stats.Counts{})
		if c.OK != want {
			t.Errorf("scenario %d: got %+v, want %d", i, c, want)
		}
	}
	received := int64(0)
	for i := range r.total {
		received += r.all(i).Received
	}
	if st := srv.Stats(); received != st.Sent {
		t.Errorf("got %d messages, the server sent %d", received, st.Sent)
	}
}

// Warm-up and measured period are counted apart, whatever comes when; several
// stages follow each other.
func TestStages(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		srv := faulty.Start(t, faulty.Options{Faults: faulty.Faults{Delay: 30 * time.Millisecond}})
		sc := load(kind, srv)
		r := newRig(t, sc)
		r.srv = srv
		r.connect()
		want := int64(0)
		for range 3 {
			r.settle(r.traffic(100*time.Millisecond, 200*time.Millisecond))
			want += int64(sc.Rate * .2)
			c := r.total[0].Measured.Counts
			if c.Arrivals != want {
				t.Errorf("got %d arrivals measured, want %d", c.Arrivals, want)
			}
		}
		if other := r.total[0].Other.Counts; other.Arrivals != want/2 {
			t.Errorf("got %d arrivals beside, want %d", other.Arrivals, want/2)
		}
		r.disconnect()
		expect(t, r.all(0), stats.Counts{})
		if c, st := r.all(0), srv.Stats(); c.OK != st.Due {
			t.Errorf("got %d, want %d", c.OK, st.Due)
		}
	})
}

// A scale raises every rate; connections may be added between stages.
func TestScaleAndMoreConnections(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{})
	r := newRig(t, plan.Scenario{Kind: plan.Echo, URL: srv.URL(), Connections: 50, Rate: 100, ConnectRate: 5000})
	r.srv = srv
	for i, n := range []int{10, 50} {
		r.connectUpTo(n)
		if got := r.e.Open(); got != int64(n) {
			t.Fatalf("%d open, want %d", got, n)
		}
		at := r.e.clock.now() + int64(ahead)
		st := Stage{Number: i, At: at, From: at, To: at + 2e8, Scale: 5}
		r.e.Traffic(st)
		r.settle(st)
	}
	r.disconnect()
	if c := r.total[0].Measured.Counts; c.Sent != 200 {
		t.Errorf("got %d sent, want 200", c.Sent)
	}
}

// Two engines have their shares: together they are one.
func TestTwoEngines(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		srv := faulty.Start(t, faulty.Options{})
		job := newJob(t, load(kind, srv))
		var rigs [2]*rig
		for w := range rigs {
			part := job
			part.Worker, part.Workers = w, 2
			part.Shares = []Share{{First: w * 15, Count: 15 + 10*w, Publish: w == 1}}
			rigs[w] = start(t, part)
		}
		for _, r := range rigs {
			r.connect()
		}
		at := Now() + int64(2*ahead)
		st := Stage{At: at, From: at, To: at + int64(short)}
		for _, r := range rigs {
			r.e.Traffic(st)
		}
		rigs[0].e.sleepUntil(st.To)
		heads := make(Heads, 1)
		for _, r := range rigs {
			if h := r.e.Heads(Now() + int64(patience)); len(h[0]) > 0 {
				heads = h
			}
		}
		var all stats.Counts
		for _, r := range rigs {
			r.e.Settle(heads, Now()+int64(patience))
			r.collect()
			r.disconnect()
			c := r.all(0)
			all.Add(&c)
		}
		expect(t, all, stats.Counts{})
		if st := srv.Stats(); all.OK != st.Due || all.Arrivals != int64(load(kind, srv).Rate*short.Seconds()) {
			t.Errorf("got %+v, the server %+v", all, st)
		}
	})
}

// Connections get the address, headers, subprotocol and token the plan says, and
// come from the addresses it names.
func TestHandshakeSaysWhatThePlanSays(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := make(map[string]string)
	sources := make(map[string]int)
	srv := faulty.Start(t, faulty.Options{User: func(q *http.Request) (string, bool) {
		mu.Lock()
		defer mu.Unlock()
		user := q.URL.Query().Get("u")
		seen[user] = q.URL.Path + " " + q.Header.Get("X-Id") + " " + q.Header.Get("Sec-WebSocket-Protocol") + " " + q.UserAgent() + " " + q.Host
		host, _, _ := net.SplitHostPort(q.RemoteAddr)
		sources[host]++
		return user, true
	}})
	job := newJob(t, plan.Scenario{Kind: plan.Push, URL: srv.URL() + "?u={{.User}}", Connections: 30, FirstID: 100, Rate: 300,
		User: "user {{.ID}}/ä", Headers: map[string]string{"X-Id": "no {{.ID}}", "User-Agent": "somebody"}, Subprotocol: "a, b"})
	job.Sources = addresses("127.0.0.2", "127.0.0.3")
	r := start(t, job)
	r.srv = srv
	r.connect()
	r.run(short)
	r.disconnect()
	expect(t, r.all(0), stats.Counts{})
	if got, want := seen["user 117/ä"], "/ws no 117 a, b somebody "+srv.Addr(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if sources["127.0.0.2"] != 15 || sources["127.0.0.3"] != 15 || len(sources) != 2 {
		t.Errorf("connections came from %v", sources)
	}
	if c := r.all(0); c.OK != 90 {
		t.Errorf("got %+v, want 90 pushes", c)
	}
}
