package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"carillon/cluster"
)

// A node that is killed is cleaned up by exactly one of the others, which leaves
// nothing of it and everything of theirs.
func TestKilled(t *testing.T) {
	t.Parallel()
	r, o, c := single(t)
	o.Lease = shortLease
	var gone dead
	o.OnDead = gone.note
	var survivors []*gateway
	for i := range 3 {
		survivors = append(survivors, joinedNode(t, fmt.Sprint("node-", i), uint32(i+1), o))
	}
	survivors[0].connect("user-1") // also on the one that dies
	n := startNode(t, nodeConfig{ID: "victim", Tag: 9, Addrs: []string{r.Addr()}, Lease: o.Lease, Users: users("user-", 2*cleanChunk+1)})
	eventually(t, func() error {
		l, err := survivors[1].Locate(context.Background(), []string{"user-1", "user-2"})
		if err == nil && (len(l[0].Places) != 2 || len(l[1].Places) != 1) {
			err = fmt.Errorf("got %+v", l)
		}
		return err
	})
	n.kill()
	killed := time.Now()
	eventually(t, func() error {
		if got := gone.String(); got != "victim" {
			return fmt.Errorf("cleaned up after %q", got)
		}
		return nil
	})
	t.Logf("clean %v after the kill, with a lease of %v", time.Since(killed), o.Lease)
	settled(t, survivors...)

	cleaned := uint64(0)
	for _, g := range survivors {
		cleaned += g.Stats().Cleaned
		if lost := g.Stats().LeasesLost; lost != 0 {
			t.Errorf("%s has lost its lease", g.self.ID)
		}
	}
	if cleaned != 1 {
		t.Errorf("cleaned up %d times", cleaned)
	}
	l, err := survivors[2].Locate(context.Background(), []string{"user-1", "user-2"})
	if err != nil || len(l[0].Places) != 1 || l[0].Places[0].Node != "node-0" || len(l[1].Places) != 0 || l[1].Foreign {
		t.Errorf("got %+v, %v", l, err)
	}
	counts, err := survivors[2].Count(context.Background())
	if want := (cluster.Counts{Users: 1, Sessions: 1, Nodes: 3}); err != nil || counts != want {
		t.Errorf("got %+v, %v, want %+v", counts, err, want)
	}
	for _, g := range survivors {
		if err := g.leave(); err != nil {
			t.Error(err)
		}
	}
	if got := keysOf(t, c); len(got) != 0 {
		t.Errorf("left over: %q", got)
	}
}

// A node that was stopped for longer than its lease and cleaned up after registers
// everything anew when it goes on, and keeps it.
func TestPaused(t *testing.T) {
	t.Parallel()
	r, o, c := single(t)
	o.Lease = shortLease
	var gone dead
	o.OnDead = gone.note
	g := joinedNode(t, "survivor", 1, o)
	g.connect("user-1")
	n := startNode(t, nodeConfig{ID: "sleeper", Tag: 9, Addrs: []string{r.Addr()}, Lease: o.Lease, Users: users("user-", 1200)})
	for round := 1; round <= 2; round++ {
		n.signal(syscall.SIGSTOP)
		eventually(t, func() error {
			if want := strings.TrimSuffix(strings.Repeat("sleeper,", round), ","); gone.String() != want {
				return fmt.Errorf("cleaned up after %q", gone.String())
			}
			return nil
		})
		if got := c.HLen(context.Background(), keySessionNode).Val(); got != 1 {
			t.Errorf("%d sessions are left", got)
		}
		n.signal(syscall.SIGCONT)
		report := n.ask(fmt.Sprint("late-", round))
		eventually(t, func() error { return registered(c, "sleeper", report.Sessions) })
	}
	// What others do after that does not take anything of it away.
	report := n.ask("")
	if report.Stats.LeasesLost != 2 || !report.Ready {
		t.Errorf("got %+v", report)
	}
	g.connect("user-2")
	settled(t, g)
	if err := registered(c, "sleeper", report.Sessions); err != nil {
		t.Error(err)
	}
}

// registered returns nil when Redis holds exactly these sessions of a node.
func registered(c goredis.Cmdable, node string, ids []string) error {
	ctx := context.Background()
	got, err := c.SMembers(ctx, keyNodeSessions+node).Result()
	if err != nil {
		return err
	}
	slices.Sort(got)
	want := slices.Clone(ids)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s: %d sessions in its set, want %d", node, len(got), len(want))
	}
	beats, err := c.ZRange(ctx, keyHeartbeats+node, 0, -1).Result()
	if err != nil {
		return err
	}
	if slices.Sort(beats); !slices.Equal(beats, want) {
		return fmt.Errorf("%s: %d heartbeats, want %d", node, len(beats), len(want))
	}
	if len(want) == 0 {
		return nil
	}
	nodes, err := c.HMGet(ctx, keySessionNode, want...).Result()
	if err != nil {
		return err
	}
	users, err := c.HMGet(ctx, keySessionUser, want...).Result()
	if err != nil {
		return err
	}
	incarnation := c.HGet(ctx, keyIncarnations, node).Val()
	counts := make(map[string]int)
	for i, id := range want {
		user, _ := users[i].(string)
		if nodes[i] != node || user == "" {
			return fmt.Errorf("session %s: node %v, user %v", id, nodes[i], users[i])
		}
		counts[user]++
	}
	for user, n := range counts {
		if got, want := c.HGet(ctx, keyUser+user, node).Val(), fmt.Sprint(incarnation, ":", n); got != want {
			return fmt.Errorf("user %s: got %q, want %q", user, got, want)
		}
		if !c.SIsMember(ctx, keyOnline, user).Val() {
			return fmt.Errorf("user %s is not online", user)
		}
	}
	return nil
}

// A node whose id another process has taken while it was stopped writes nothing
// more, and takes nothing of its successor away.
func TestSucceeded(t *testing.T) {
	t.Parallel()
	r, o, c := single(t)
	o.Lease = shortLease
	n := startNode(t, nodeConfig{ID: "node", Tag: 9, Addrs: []string{r.Addr()}, Lease: o.Lease, Users: users("user-", 300)})
	n.signal(syscall.SIGSTOP)
	g := newGateway(t, "node", 2, o)
	var ids []string
	for i := range 10 {
		id := g.sessions.NewID()
		g.sessions.Add(fmt.Sprint("user-", i), id)
		ids = append(ids, id.String())
	}
	eventually(t, func() error { return g.Join(context.Background(), g.self, g.sessions) })
	if err := registered(c, "node", ids); err != nil {
		t.Errorf("the successor: %v", err)
	}
	if got := c.SCard(context.Background(), keyOnline).Val(); got != 10 {
		t.Errorf("%d users are online, want 10: the earlier start has left some", got)
	}
	n.signal(syscall.SIGCONT)
	eventually(t, func() error {
		if report := n.ask("late"); !report.Lost || report.Ready || report.Stats.Up {
			return fmt.Errorf("got %+v", report.Stats)
		}
		return nil
	})
	settled(t, g)
	if err := registered(c, "node", ids); err != nil {
		t.Errorf("after the other went on: %v", err)
	}
	if g.Stats().LeasesLost != 0 {
		t.Error("the successor has lost its lease")
	}
}

// When the node that cleans up dies as well, another one goes on.
func TestCleanerDies(t *testing.T) {
	t.Parallel()
	r, o, c := single(t)
	o.Lease = shortLease
	ctx := context.Background()
	n := startNode(t, nodeConfig{ID: "victim", Tag: 9, Addrs: []string{r.Addr()}, Lease: o.Lease, Users: users("user-", 100)})
	n.kill()
	// The first cleaner claims, removes a part, and is never heard of again.
	var claim holder
	eventually(t, func() error {
		inc, err := claimScript.Run(ctx, c, []string{keyIncarnations, keyLeases, keyCleaning}, "victim", o.Lease.Milliseconds()).Uint64()
		if err == nil && inc == 0 {
			err = fmt.Errorf("not to be claimed yet")
		}
		claim = holder{node: "victim", incarnation: inc, cleaning: true}
		return err
	})
	if again, err := claimScript.Run(ctx, c, []string{keyIncarnations, keyLeases, keyCleaning}, "victim", 1).Uint64(); err != nil || again != 0 {
		t.Errorf("a second claim: got %d, %v", again, err)
	}
	w := &atomicWriter{client: c, timeout: patient}
	id := c.SRandMember(ctx, keyNodeSessions+"victim").Val()
	part := []entry{{user: c.HGet(ctx, keySessionUser, id).Val(), session: id, kind: gone}}
	none := func(string) int { return 0 }
	if _, err := w.write(ctx, claim, part, none); err != nil {
		t.Fatal(err)
	}

	g := joinedNode(t, "survivor", 1, o)
	g.connect("user-1")
	if got := c.SCard(ctx, keyNodeSessions+"victim").Val(); got != 99 {
		t.Errorf("%d sessions of the victim while the claim lasts, want 99", got)
	}
	eventually(t, func() error {
		if got := g.Stats().Cleaned; got != 1 {
			return fmt.Errorf("cleaned up %d times", got)
		}
		return nil
	})
	// The first one wakes up: it is too late for everything.
	if _, err := w.write(ctx, claim, []entry{{user: "user-1", session: "x", kind: gone}}, none); err != errFenced {
		t.Errorf("an outdated cleaner: got %v, want %v", err, errFenced)
	}
	if err := g.leave(); err != nil {
		t.Fatal(err)
	}
	if got := keysOf(t, c); len(got) != 0 {
		t.Errorf("left over: %q", got)
	}
}

// A node looks again when a lease runs out, not when it happens to renew its own.
func TestNextLook(t *testing.T) {
	p, err := New(Options{Addrs: []string{"localhost:1"}, Lease: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Leave(context.Background())
	if got := p.nextLook(time.Now()); got > 20*time.Minute || got < 19*time.Minute {
		t.Errorf("alone: got %v", got)
	}
	if got := p.nextLook(time.Now().Add(-15 * time.Minute)); got > 5*time.Minute || got < 4*time.Minute {
		t.Errorf("after a look that took a quarter of an hour: got %v", got)
	}
	if got := p.nextLook(time.Now().Add(-time.Hour)); got != 0 {
		t.Errorf("after a look that took an hour: got %v", got)
	}
	p.view.Store(&view{at: time.Now(), now: 1000, leases: map[string]int64{"dead": 900, "soon": 1000 + 60_000, "late": 1000 + 3_000_000}})
	if got := p.nextLook(time.Now()); got > time.Minute+lookJitter+time.Second || got < 50*time.Second {
		t.Errorf("got %v, want a minute", got)
	}
}
