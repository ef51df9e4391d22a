package redis

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"carillon/cluster/services"
)

// referenceNode does what a node of the reference does, one command after another.
type referenceNode struct {
	c  goredis.UniversalClient
	id string
}

func (r referenceNode) connect(t testing.TB, user, session string) {
	t.Helper()
	ctx := context.Background()
	if err := errors.Join(
		r.c.SAdd(ctx, "ws:online:users", user).Err(),
		r.c.HSet(ctx, "ws:session:user", session, user).Err(),
		r.c.HSet(ctx, "ws:session:node", session, r.id).Err(),
		r.c.SAdd(ctx, "ws:node:sessions:"+r.id, session).Err(),
		r.c.Do(ctx, "ZADD", "ws:heartbeat:zset:"+r.id, "1.795484521743E12", session).Err(),
	); err != nil {
		t.Fatal(err)
	}
}

func (r referenceNode) leave(t testing.TB, session string) {
	t.Helper()
	ctx := context.Background()
	user, err := r.c.HGet(ctx, "ws:session:user", session).Result()
	if err := errors.Join(err,
		r.c.HDel(ctx, "ws:session:user", session).Err(),
		r.c.HDel(ctx, "ws:session:node", session).Err(),
		r.c.SRem(ctx, "ws:node:sessions:"+r.id, session).Err(),
		r.c.ZRem(ctx, "ws:heartbeat:zset:"+r.id, session).Err(),
		r.c.SRem(ctx, "ws:online:users", user).Err(),
	); err != nil {
		t.Fatal(err)
	}
}

// A cluster of both: found, named, counted, and repaired within an interval.
func testReference(t *testing.T, o Options, c goredis.UniversalClient) {
	ctx := context.Background()
	o.ReconcileInterval = 2 * time.Second
	a, b := joinedNode(t, "a", 1, o), joinedNode(t, "b", 2, o)
	a.connect("both")
	for i := range 20 {
		b.connect(fmt.Sprint("user-", i))
	}
	settled(t, a, b)
	mixed := func(g *gateway, want bool) error {
		if _, err := g.Locate(ctx, []string{"nobody"}); err != nil {
			return err
		}
		if g.Mixed() != want {
			return fmt.Errorf("%s: mixed is %t", g.self.ID, !want)
		}
		return nil
	}
	eventually(t, func() error { return errors.Join(mixed(a, false), mixed(b, false)) })

	java := referenceNode{c, "node-1"}
	java.connect(t, "both", "11111111-0000-4000-8000-000000000000")
	java.connect(t, "java", "22222222-0000-4000-8000-000000000000")
	l, err := a.Locate(ctx, []string{"java", "both", "nobody"})
	if err != nil {
		t.Fatal(err)
	}
	if !l[0].Foreign || len(l[0].Places) != 0 || l[1].Foreign || len(l[1].Places) != 1 || l[2].Foreign || len(l[2].Places) != 0 {
		t.Errorf("got %+v", l)
	}
	if !a.Mixed() {
		t.Error("not mixed at the first lookup")
	}
	nodes, err := b.LocateSessions(ctx, []string{"22222222-0000-4000-8000-000000000000", "unknown"})
	if err != nil || nodes[0] != "node-1" || nodes[1] != "" {
		t.Errorf("sessions: got %q, %v", nodes, err)
	}
	counts, err := b.Count(ctx)
	if err != nil || counts.Users != 22 || counts.Sessions != 23 || counts.Nodes != 2 {
		t.Errorf("got %+v, %v", counts, err)
	}

	// Its fault: the user is still online at a.
	java.leave(t, "11111111-0000-4000-8000-000000000000")
	removed := time.Now()
	eventually(t, func() error {
		if !c.SIsMember(ctx, keyOnline, "both").Val() {
			return errors.New("not repaired")
		}
		return nil
	})
	if took := time.Since(removed); took > o.ReconcileInterval+time.Second {
		t.Errorf("repaired after %v, with an interval of %v", took, o.ReconcileInterval)
	}
	eventually(t, func() error {
		if got := a.Stats().Repaired; got != 1 {
			return fmt.Errorf("%d users repaired", got)
		}
		return nil
	})
	if got := b.Stats().Repaired; got != 0 {
		t.Errorf("b: %d users repaired", got)
	}
	// The same the other way round: a user of both leaves a carillon node.
	id := b.connect("java")
	settled(t, b)
	b.disconnect("java", id)
	settled(t, b)
	eventually(t, func() error {
		if !c.SIsMember(ctx, keyOnline, "java").Val() {
			return errors.New("a user of the reference is not put back")
		}
		return nil
	})

	java.leave(t, "22222222-0000-4000-8000-000000000000")
	eventually(t, func() error {
		if c.SIsMember(ctx, keyOnline, "java").Val() {
			return errors.New("a user who has left is online")
		}
		return nil
	})
	eventually(t, func() error { return errors.Join(mixed(a, false), mixed(b, false)) })
}

func TestReference(t *testing.T) {
	t.Parallel()
	t.Run("single", func(t *testing.T) {
		_, o, c := single(t)
		testReference(t, o, c)
	})
	t.Run("cluster", func(t *testing.T) {
		rc := services.NewRedisCluster(t, 3, 0)
		c := rc.Client()
		t.Cleanup(func() { _ = c.Close() })
		testReference(t, Options{Addrs: rc.Addrs()}, c)
	})
}

// A carillon node takes the place of a reference node that was killed: what that has
// left under the id goes, whatever its form.
func TestReferenceLeftovers(t *testing.T) {
	t.Parallel()
	_, o, c := single(t)
	ctx := context.Background()
	java, other := referenceNode{c, "node-1"}, referenceNode{c, "node-2"}
	for i := range 1200 {
		java.connect(t, fmt.Sprint("user-", i%700), fmt.Sprintf("%08x-0000-4000-8000-000000000000", i))
	}
	java.connect(t, "odd", "no UUID")
	c.ZAdd(ctx, keyHeartbeats+"node-1", goredis.Z{Score: 1, Member: "a heartbeat alone"})
	c.SAdd(ctx, keyNodeSessions+"node-1", "a session alone")
	other.connect(t, "stays", "99999999-0000-4000-8000-000000000000")

	g := newGateway(t, "node-1", 1, o)
	id := g.sessions.NewID()
	g.sessions.Add("user-1", id)
	g.join()
	if err := registered(c, "node-1", []string{id.String()}); err != nil {
		t.Error(err)
	}
	if got := c.SCard(ctx, keyOnline).Val(); got != 2 {
		t.Errorf("%d users online, want 2", got)
	}
	if got := c.HLen(ctx, keySessionUser).Val(); got != 2 {
		t.Errorf("%d sessions, want 2", got)
	}
}

func TestReferenceFixed(t *testing.T) {
	t.Parallel()
	_, o, _ := single(t)
	for _, want := range []bool{true, false} {
		o.Reference = ReferenceNever
		if want {
			o.Reference = ReferenceAlways
		}
		g := newGateway(t, fmt.Sprint("node-", want), 1, o)
		if g.Mixed() != want {
			t.Errorf("%s: before joining: mixed is %t", o.Reference, !want)
		}
		g.join()
		if g.Mixed() != want {
			t.Errorf("%s: mixed is %t", o.Reference, !want)
		}
	}
}

// The reference's readers see live sessions as live, for a few commands in all.
func TestHeartbeats(t *testing.T) {
	t.Parallel()
	_, o, c := single(t)
	o.RefreshInterval = 400 * time.Millisecond
	ctx := context.Background()
	a := joinedNode(t, "a", 1, o)
	for i := range 2500 {
		a.connect(fmt.Sprint("user-", i))
	}
	leaves := a.connect("leaves")
	settled(t, a)
	a.disconnect("leaves", leaves)
	settled(t, a)
	since := time.Now().UnixMilli()
	before := a.Stats().Commands
	eventually(t, func() error {
		old := c.ZCount(ctx, keyHeartbeats+"a", "-inf", fmt.Sprint("(", since)).Val()
		if all := c.ZCard(ctx, keyHeartbeats+"a").Val(); old != 0 || all != 2500 {
			return fmt.Errorf("%d of %d heartbeats are old", old, all)
		}
		return nil
	})
	if sent := a.Stats().Commands - before; sent > 200 {
		t.Errorf("%d commands for 2500 sessions", sent)
	}
}
