package redis

import (
	"context"
	"fmt"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// A renewal reads the leases and incarnations of more nodes than Lua can hand to one
// call of Redis.
func TestManyNodes(t *testing.T) {
	t.Parallel()
	_, o, c := single(t)
	const others = 9000
	ctx := context.Background()
	leases := make([]goredis.Z, others)
	incarnations, records := make(map[string]any, others), make(map[string]any, others)
	expiry := float64(time.Now().Add(time.Hour).UnixMilli())
	for i := range others {
		id := fmt.Sprintf("other-%04d", i)
		leases[i] = z(expiry, id)
		incarnations[id] = i + 1
		records[id] = fmt.Sprintf(`{"incarnation":%d,"tag":%d}`, i+1, i+1)
	}
	if _, err := c.Pipelined(ctx, func(pipe goredis.Pipeliner) error {
		pipe.ZAdd(ctx, keyLeases, leases...)
		pipe.HSet(ctx, keyIncarnations, incarnations)
		pipe.HSet(ctx, keyNodes, records)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	a := joinedNode(t, "a", 1, o)
	if n := len(a.Members()); n != others+1 {
		t.Fatalf("%d members, want %d", n, others+1)
	}
	r := a.reg.Load()
	if r == nil {
		t.Fatal("the node is not registered")
	}
	reply, err := renewScript.Run(ctx, c, []string{keyIncarnations, keyLeases, keySessionNode},
		"a", r.incarnation, a.opt.Lease.Milliseconds(), keyNodeSessions).Slice()
	if err != nil {
		t.Fatal(err)
	}
	got, known := texts(reply, 2), texts(reply, 3)
	if len(got) != 2*(others+1) || len(known) != others+1 {
		t.Fatalf("%d leases and scores, %d incarnations, of %d nodes", len(got), len(known), others+1)
	}
	for i, incarnation := range known {
		want := fmt.Sprint(incarnations[fmt.Sprint(got[2*i])])
		if got[2*i] == "a" {
			want = fmt.Sprint(r.incarnation)
		}
		if incarnation != want {
			t.Fatalf("node %v has incarnation %v, want %v", got[2*i], incarnation, want)
		}
	}
}
