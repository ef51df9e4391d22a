package redis

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"carillon/cluster/services"
)

// keysOf returns every key of a server, or of all masters of a cluster.
func keysOf(t testing.TB, c goredis.UniversalClient) []string {
	t.Helper()
	ctx := context.Background()
	lists := make(chan []string, 16)
	list := func(ctx context.Context, c *goredis.Client) error {
		keys, err := c.Keys(ctx, "*").Result()
		lists <- keys
		return err
	}
	var err error
	switch c := c.(type) {
	case *goredis.Client:
		err = list(ctx, c)
	case *goredis.ClusterClient:
		err = c.ForEachMaster(ctx, list)
	}
	if err != nil {
		t.Fatal(err)
	}
	close(lists)
	var all []string
	for keys := range lists {
		all = append(all, keys...)
	}
	slices.Sort(all)
	return all
}

// testKeys holds the keys of the contract, with types and contents, against what one
// node with three sessions writes, and wants none of them after it has left.
func testKeys(t *testing.T, o Options, c goredis.UniversalClient) {
	ctx := context.Background()
	begun := time.Now()
	g := joinedNode(t, "node-a", 1, o)
	s1, s2, s3 := g.connect("10001").String(), g.connect("10001").String(), g.connect("é:{x} ").String()
	g.disconnect("gone", g.connect("gone"))
	settled(t, g)

	want := []string{
		keyIncarnations, keyLeases, keyNodes, keyUsers, "carillon:user:10001", "carillon:user:é:{x} ",
		"ws:heartbeat:zset:node-a", "ws:node:sessions:node-a", "ws:online:users", "ws:session:node", "ws:session:user",
	}
	slices.Sort(want)
	if got := keysOf(t, c); !slices.Equal(got, want) {
		t.Errorf("keys: got %q, want %q", got, want)
	}
	for _, key := range want {
		if ttl := c.TTL(ctx, key).Val(); ttl != -1 {
			t.Errorf("%s has a TTL of %v", key, ttl)
		}
	}
	ids := []string{s1, s2, s3}
	slices.Sort(ids)
	set := func(key string, want ...string) {
		t.Helper()
		got := c.SMembers(ctx, key).Val()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	hash := func(key string, want map[string]string) {
		t.Helper()
		if got := c.HGetAll(ctx, key).Val(); !maps.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	incarnation := c.HGet(ctx, keyIncarnations, "node-a").Val()
	set("ws:online:users", "10001", "é:{x} ")
	set("ws:node:sessions:node-a", ids...)
	hash("ws:session:user", map[string]string{s1: "10001", s2: "10001", s3: "é:{x} "})
	hash("ws:session:node", map[string]string{s1: "node-a", s2: "node-a", s3: "node-a"})
	hash("carillon:user:10001", map[string]string{"node-a": incarnation + ":2"})
	hash("carillon:user:é:{x} ", map[string]string{"node-a": incarnation + ":1"})
	hash(keyUsers, map[string]string{"node-a": "2"})
	beats := c.ZRangeWithScores(ctx, "ws:heartbeat:zset:node-a", 0, -1).Val()
	if len(beats) != 3 {
		t.Errorf("heartbeats: got %v", beats)
	}
	for _, z := range beats {
		if at := time.UnixMilli(int64(z.Score)); !slices.Contains(ids, z.Member.(string)) || at.Before(begun.Truncate(time.Millisecond)) || at.After(time.Now()) {
			t.Errorf("heartbeat of %v at %v", z.Member, at)
		}
	}
	if n, err := strconv.ParseUint(incarnation, 10, 64); err != nil || n < uint64(begun.Add(-time.Minute).UnixMilli()) {
		t.Errorf("incarnation %q", incarnation)
	}

	if err := g.leave(); err != nil {
		t.Fatal(err)
	}
	if got := keysOf(t, c); len(got) != 0 {
		t.Errorf("after leave: got %q", got)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	t.Run("single", func(t *testing.T) {
		_, o, c := single(t)
		testKeys(t, o, c)
	})
	t.Run("cluster", func(t *testing.T) {
		rc := services.NewRedisCluster(t, 3, 0)
		c := rc.Client()
		t.Cleanup(func() { _ = c.Close() })
		testKeys(t, Options{Addrs: rc.Addrs()}, c)
	})
}

// A large node leaves in chunks, also while its sessions end.
func TestLeaveMany(t *testing.T) {
	t.Parallel()
	_, o, c := single(t)
	g := newGateway(t, "a", 1, o)
	other := joinedNode(t, "b", 2, o)
	other.connect("user-7")
	for i := range 3 * cleanChunk {
		id := g.sessions.NewID()
		g.sessions.Add(fmt.Sprint("user-", i%1000), id)
	}
	g.join()
	for range 300 {
		g.connect("late")
	}
	if err := g.leave(); err != nil {
		t.Fatal(err)
	}
	settled(t, other)
	ctx := context.Background()
	if got := c.SMembers(ctx, keyOnline).Val(); !slices.Equal(got, []string{"user-7"}) {
		t.Errorf("online: got %d users: %.100q", len(got), got)
	}
	if err := other.leave(); err != nil {
		t.Fatal(err)
	}
	if got := keysOf(t, c); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}
