package services

import (
	"strconv"
	"testing"
)

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := NewRedisCluster(t, 3, 1)
	client := c.Client()
	defer func() { _ = client.Close() }()
	const keys = 100
	for i := range keys {
		if err := client.Set(ctx, "key-"+strconv.Itoa(i), i, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range c.Nodes {
		one := n.Client()
		size, err := one.DBSize(ctx).Result()
		// Wait counts the replicas that have all that the node has written.
		if i < 3 && err == nil {
			var replicas int64
			if replicas, err = one.Wait(ctx, 1, 0).Result(); replicas != 1 {
				t.Errorf("node %d has %d replicas", i, replicas)
			}
		}
		_ = one.Close()
		if err != nil || size == 0 || size > keys/2 {
			t.Errorf("node %d has %d keys of %d, %v", i, size, keys, err)
		}
	}

	c.Kill(1)
	if err := c.WaitOK(ctx); err != nil {
		t.Fatal(err)
	}
	// A client that knows only what is there now.
	after := c.Client()
	defer func() { _ = after.Close() }()
	for i := range keys {
		if got, err := after.Get(ctx, "key-"+strconv.Itoa(i)).Int(); err != nil || got != i {
			t.Fatalf("key %d: got %d, %v", i, got, err)
		}
	}
	if err := c.Nodes[1].Restart(ctx, true); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitOK(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(false); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes {
		wantNothingLeft(t, n.work.path, n.port, clusterBus(n))
	}
}

func TestRedisClusterOfNone(t *testing.T) {
	if _, err := StartRedisCluster(t.Context(), 0, 1); err == nil {
		t.Error("started a cluster without masters")
	}
}
