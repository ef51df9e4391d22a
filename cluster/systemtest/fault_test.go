package systemtest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"carillon/cluster/services"
)

// TestNodeKilled: what a killed node leaves is removed by exactly one survivor when
// its lease has run out, its queue too.
func TestNodeKilled(t *testing.T) {
	w := newWorld(t)
	nodes := w.nodes("a", "b", "c")
	a, b, victim := nodes[0], nodes[1], nodes[2]
	ann := connect(t, a, "u0")
	for i := range 20 {
		connect(t, victim, fmt.Sprintf("u%d", i))
	}
	waitFor(t, "the victim's users", func() bool { return a.get("/websocket/online/count") == "20" })
	start := time.Now()
	victim.kill()
	waitFor(t, "a clean presence", func() bool { return len(w.traces("c")) == 0 })
	t.Logf("from SIGKILL to clean presence: %v, with a lease of 3 s", time.Since(start).Round(10*time.Millisecond))
	w.online("u0")
	waitFor(t, "the queue to go", func() bool { return slices.Equal(w.queues(), []string{"ws.queue.a", "ws.queue.b"}) })
	if n := a.metric("carillon_cluster_presence_nodes_cleaned_total") + b.metric("carillon_cluster_presence_nodes_cleaned_total"); n != 1 {
		t.Errorf("cleaned up %v times, want once", n)
	}
	b.pushed("send/user/u0", "still here")
	ann.expects("still here")
	w.leave(a, b)
}

// TestNodePaused: a node that was stopped for longer than its lease, and was cleaned
// up after, registers all its sessions anew when it goes on.
func TestNodePaused(t *testing.T) {
	w := newWorld(t)
	nodes := w.nodes("a", "b")
	a, b := nodes[0], nodes[1]
	ann, bob := connect(t, a, "u1"), connect(t, b, "u2")
	w.online("u1", "u2")
	b.signal(syscall.SIGSTOP)
	waitFor(t, "the clean-up", func() bool { return len(w.traces("b")) == 0 })
	w.online("u1")
	b.signal(syscall.SIGCONT)
	w.online("u1", "u2")
	b.ready(2)
	a.ready(2)
	bob.alive()
	waitFor(t, "b's session", func() bool { return w.db.SCard(context.Background(), "ws:node:sessions:b").Val() == 1 })
	a.pushed("send/user/u2", "after")
	bob.expects("after")
	b.pushed("send/user/u1", "back")
	ann.expects("back")
	w.leave(nodes...)
}

// TestPausedNodeHasASuccessor: a node that wakes up under an id that is another's by
// now takes nothing from it, tells its clients to go, and ends.
func TestPausedNodeHasASuccessor(t *testing.T) {
	w := newWorld(t)
	nodes := w.nodes("a", "b")
	a, old := nodes[0], nodes[1]
	lost := connect(t, old, "u1")
	w.online("u1")
	old.signal(syscall.SIGSTOP)
	waitFor(t, "the clean-up", func() bool { return len(w.traces("b")) == 0 })
	// The broker gives the queue to another consumer once it misses the first one;
	// here an operator does not want to wait for that.
	if _, err := broker.CloseConnections(t.Context(), w.vhost); err != nil {
		t.Fatal(err)
	}
	next := w.serve("b")
	next.ready(2)
	bob := connect(t, next, "u2")
	w.online("u2")
	old.signal(syscall.SIGCONT)
	if code := lost.closed(); code != 1001 {
		t.Errorf("the client of the old node was closed with %d", code)
	}
	if code := old.wait(); code != 7 {
		t.Errorf("the old node ended with code %d:\n%s", code, old.log)
	}
	w.online("u2")
	if n := w.db.SCard(context.Background(), "ws:node:sessions:b").Val(); n != 1 {
		t.Errorf("%d sessions of the successor are registered, want 1", n)
	}
	a.pushed("send/user/u2", "to the successor")
	bob.expects("to the successor")
	w.leave(a, next)
}

// TestSameID: the second node of an id refuses to start, and the first goes on.
func TestSameID(t *testing.T) {
	w := newWorld(t)
	first := w.nodes("a")[0]
	ann := connect(t, first, "u1")
	second := w.serve("a", "--spring.rabbitmq.requested-heartbeat=1s") // else it waits for longer than its lease
	if code := second.wait(); code != 7 || !strings.Contains(second.log.String(), "taken by a node that is alive") {
		t.Errorf("the second node ended with code %d:\n%s", code, second.log)
	}
	first.pushed("send/user/u1", "mine")
	ann.expects("mine")
	w.online("u1")
	w.leave(first)
}

// TestRestartAfterKill: a node comes back under its id, waits for the lease of its
// former start, and serves.
func TestRestartAfterKill(t *testing.T) {
	w := newWorld(t)
	nodes := w.nodes("a", "b")
	connect(t, nodes[1], "u1")
	w.online("u1")
	nodes[1].kill()
	again := w.serve("b")
	again.ready(2)
	w.online()
	bob := connect(t, again, "u2")
	w.online("u2")
	nodes[0].pushed("send/user/u2", "hello again")
	bob.expects("hello again")
	w.leave(nodes[0], again)
}

// TestRestartAfterMachineDied: a node comes back under its id although the broker
// takes its former start, which could not close its connections, for alive until it
// misses heartbeats, long after the lease has run out.
func TestRestartAfterMachineDied(t *testing.T) {
	w := newWorld(t)
	proxy := services.NewProxy(t, broker.Addr())
	flags := w.flags("--spring.rabbitmq.requested-heartbeat=4s")
	again := slices.Clone(flags)
	for i := range flags {
		flags[i] = strings.Replace(flags[i], broker.Addr(), proxy.Addr(), 1)
	}
	former := serve(t, "a", flags...)
	former.ready(1)
	proxy.Blackhole()
	former.kill()
	next := serve(t, "a", again...)
	next.ready(1)
	ann := connect(t, next, "u1")
	w.online("u1")
	next.pushed("send/user/u1", "hello again")
	ann.expects("hello again")
	w.leave(next)
}

// TestBrokerKilled: while the broker is away local pushes go on and those for other
// nodes wait, until as much waits as may; every one that was accepted arrives once
// when the broker is back.
func TestBrokerKilled(t *testing.T) {
	w := newWorld(t)
	nodes := []*process{w.serve("a", "--cluster.outbox-max-bytes=1MiB"), w.serve("b")}
	for _, p := range nodes {
		p.ready(2)
	}
	a, b := nodes[0], nodes[1]
	ann, bob := connect(t, a, "u1"), connect(t, b, "u2")
	w.online("u1", "u2")
	var accepted []string
	push := func(text string) int {
		status := a.push("send/user/u2", text)
		if status == http.StatusOK {
			accepted = append(accepted, text)
		}
		return status
	}
	// Pushes go on while the broker dies, so that some are sent and not confirmed.
	for i := range 50 {
		if status := push(fmt.Sprintf("before %d", i)); status != http.StatusOK {
			t.Fatalf("push %d: %d", i, status)
		}
		if i == 40 {
			broker.Kill()
		}
	}
	waitFor(t, "the nodes to notice", func() bool {
		return a.metric("carillon_cluster_bus_up") == 0 && b.metric("carillon_cluster_bus_up") == 0
	})
	a.pushed("send/user/u1", "local")
	ann.expects("local")
	bob.alive()
	big := strings.Repeat("x", 100_000)
	refused := 0
	for i := 0; refused == 0 && i < 100; i++ {
		switch status := push(fmt.Sprintf("outage %d %s", i, big)); status {
		case http.StatusOK:
		case http.StatusServiceUnavailable:
			refused++
		default:
			t.Fatalf("got %d", status)
		}
	}
	if refused == 0 {
		t.Error("the outbox has no end")
	}
	a.pushed("send/user/u1", "local again")
	ann.expects("local", "local again")
	if err := broker.Restart(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	bob.expects(accepted...)
	waitFor(t, "the outbox to empty", func() bool { return a.metric("carillon_cluster_bus_outbox_messages") == 0 })
	if status := push("after"); status != http.StatusOK {
		t.Errorf("a push after the fault: %d", status)
	}
	bob.expects(accepted...)
	w.leave(nodes...)
}

// TestRedisWiped: while Redis is away connections, heartbeats and pushes go on, and
// everything is written back when it returns with nothing.
func TestRedisWiped(t *testing.T) {
	w := newWorld(t)
	nodes := w.nodes("a", "b")
	a, b := nodes[0], nodes[1]
	ann, bob := connect(t, a, "u1"), connect(t, b, "u2")
	w.online("u1", "u2")
	w.redis.Kill()
	ann.alive()
	a.pushed("send/user/u1", "local")
	a.pushed("send/user/u2", "remote")
	bob.expects("remote")
	b.pushed("broadcast", "everyone")
	ann.expects("local", "everyone")
	bob.expects("remote", "everyone")
	late := connect(t, b, "u3")
	gone := connect(t, a, "u4")
	_ = gone.conn.Close()
	if status, answer, err := a.call("GET", "/websocket/online/count", ""); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("a count without Redis: %d %s %v", status, answer, err)
	}
	if status, answer, err := a.call("GET", "/readyz", ""); err != nil || status != http.StatusOK {
		t.Errorf("a node that serves its clients is not ready: %d %s %v", status, answer, err)
	}
	if err := w.redis.Restart(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	w.online("u1", "u2", "u3")
	waitFor(t, "all sessions", func() bool { return w.db.HLen(context.Background(), "ws:session:node").Val() == 3 })
	for _, p := range nodes {
		p.ready(2)
	}
	waitFor(t, "routing by name", func() bool {
		before := a.metric("carillon_cluster_forward_blind_total")
		a.pushed("send/user/u3", "x")
		late.alive()
		return a.metric("carillon_cluster_forward_blind_total") == before
	})
	w.leave(nodes...)
}

// TestRedisPaused: a Redis that answers nothing holds nobody up.
func TestRedisPaused(t *testing.T) {
	w := newWorld(t)
	nodes := w.nodes("a", "b")
	ann, bob := connect(t, nodes[0], "u1"), connect(t, nodes[1], "u2")
	w.online("u1", "u2")
	if err := w.redis.Pause(); err != nil {
		t.Fatal(err)
	}
	ann.alive()
	nodes[0].pushed("send/user/u1", "local")
	nodes[0].pushed("send/user/u2", "remote")
	ann.expects("local")
	bob.expects("remote")
	_ = ann.conn.Close()
	if err := w.redis.Resume(); err != nil {
		t.Fatal(err)
	}
	w.online("u2")
	w.leave(nodes...)
}

// TestNothingThereAtStart: a node waits for its servers, refuses clients until then
// unless it may start without, and joins when they come.
func TestNothingThereAtStart(t *testing.T) {
	w := newWorld(t)
	w.redis.Kill()
	waiting, eager := w.serve("a"), w.serve("b", "--server.start-without-cluster=true")
	if status, answer, err := waiting.call("GET", "/readyz", ""); err != nil || status != http.StatusServiceUnavailable || strings.Contains(answer, "127.0.0.1") {
		t.Errorf("readyz: %d %s %v", status, answer, err)
	}
	if c, err := dial(t, waiting, "u1"); err == nil {
		t.Errorf("a client was taken by a node that is in no cluster: %v", c)
	}
	bob := connect(t, eager, "u2")
	eager.pushed("send/user/u2", "alone")
	bob.expects("alone")
	if err := w.redis.Restart(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	waiting.ready(2)
	eager.ready(2)
	ann := connect(t, waiting, "u1")
	w.online("u1", "u2")
	eager.pushed("send/user/u1", "together")
	ann.expects("together")
	w.leave(waiting, eager)
}
