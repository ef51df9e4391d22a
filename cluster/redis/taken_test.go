package redis

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"carillon/cluster"
)

// A refusal tells when the holder's lease runs out, which moves on as long as the
// holder lives.
func TestTakenTellsTheLease(t *testing.T) {
	t.Parallel()
	_, o, _ := single(t)
	o.Lease = shortLease
	holder := joinedNode(t, "node", 1, o)
	second := newGateway(t, "node", 2, o)
	expires := func() time.Time {
		err := second.Join(context.Background(), second.self, second.sessions)
		taken, ok := errors.AsType[*cluster.TakenError](err)
		if !ok || !errors.Is(err, cluster.ErrNodeTaken) || taken.Node != "node" || taken.Expires.IsZero() {
			t.Fatalf("got %v", err)
		}
		return taken.Expires
	}
	first := expires()
	eventually(t, func() error {
		if !expires().After(first) {
			return errors.New("the lease is not renewed")
		}
		return nil
	})
	settled(t, holder)
}

// A process that was started again by the owner of the former one does not wait for
// its lease, and nothing of it is left.
func TestOwnerTakesOver(t *testing.T) {
	t.Parallel()
	r, o, c := single(t)
	o.Lease = time.Minute
	former := startNode(t, nodeConfig{ID: "node", Tag: 9, Owner: "supervisor", Addrs: []string{r.Addr()}, Lease: o.Lease, Users: users("user-", 10)})
	eventually(t, func() error {
		if n := c.SCard(context.Background(), "ws:node:sessions:node").Val(); n != 10 {
			return errors.New("not all are registered")
		}
		return nil
	})
	former.kill()
	stranger := newGateway(t, "node", 1, o)
	if err := stranger.Join(context.Background(), stranger.self, stranger.sessions); !errors.Is(err, cluster.ErrNodeTaken) {
		t.Fatalf("a process of nobody's: %v", err)
	}
	next := newGateway(t, "node", 2, o)
	next.self.Owner = "supervisor"
	next.connect("user-new")
	next.join()
	settled(t, next)
	ctx := context.Background()
	if got := c.SMembers(ctx, "ws:online:users").Val(); len(got) != 1 || got[0] != "user-new" {
		t.Errorf("online are %q", got)
	}
	if n := c.HLen(ctx, "ws:session:node").Val(); n != 1 {
		t.Errorf("%d sessions are registered, want 1", n)
	}
}

// A node that loses its id while it joins is refused; it can leave, or join when the
// other one has gone.
func TestLostWhileJoining(t *testing.T) {
	t.Parallel()
	_, o, c := single(t)
	ctx := context.Background()
	var armed atomic.Bool
	hook := interloper{before: func(cmds []goredis.Cmder) {
		if cmds[0].Name() != "evalsha" || cmds[0].Args()[1] != writeScript.Hash() || !armed.CompareAndSwap(true, false) {
			return
		}
		// Another one registers, as if this one had been paused before it writes.
		_, err := c.TxPipelined(ctx, func(pipe goredis.Pipeliner) error {
			pipe.HIncrBy(ctx, keyIncarnations, "node", 1)
			pipe.HSet(ctx, keyNodes, "node", `{"token":"of the other"}`)
			pipe.ZAdd(ctx, keyLeases, z(float64(time.Now().Add(time.Minute).UnixMilli()), "node"))
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}}
	refused := func(g *gateway) {
		t.Helper()
		armed.Store(true)
		if err := g.Join(ctx, g.self, g.sessions); !errors.Is(err, cluster.ErrNodeTaken) {
			t.Fatalf("while the other one has the id: got %v", err)
		}
		if g.isLost() {
			t.Error("what has not joined is lost")
		}
	}
	otherGoes := func() {
		t.Helper()
		if n, err := c.ZRem(ctx, keyLeases, "node").Result(); err != nil || n != 1 {
			t.Fatalf("the lease of the other one: %d, %v", n, err)
		}
	}
	node, leaves := newGateway(t, "node", 1, o), newGateway(t, "node", 2, o)
	node.client.AddHook(hook)
	leaves.client.AddHook(hook)
	node.connect("user")
	leaves.connect("user")
	refused(leaves)
	if err := leaves.leave(); err != nil {
		t.Error(err)
	}
	otherGoes()
	for range 2 {
		refused(node)
		otherGoes()
	}
	node.join()
	settled(t, node)
	if l, err := node.Locate(ctx, []string{"user"}); err != nil || len(l[0].Places) != 1 {
		t.Errorf("got %+v, %v", l, err)
	}
}
