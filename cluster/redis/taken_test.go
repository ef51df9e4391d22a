package redis

import (
	"context"
	"errors"
	"testing"
	"time"

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
