package systemtest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"carillon/cluster/services"
)

// busFlags are those of a node whose Redis is not a single server.
func busFlags(t testing.TB, more ...string) (flags []string, vhost string) {
	t.Helper()
	vhost, err := broker.NewVhost(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.DeleteVhost(context.Background(), vhost); err != nil {
			t.Error(err)
		}
	})
	return append([]string{
		"--spring.rabbitmq.addresses=" + broker.URL(vhost), "--spring.data.redis.timeout=1s",
		"--cluster.lease=3s", "--cluster.reconcile-interval=1s", "--cluster.queue-expires=10s",
	}, more...), vhost
}

// exercise pushes between two nodes and back.
func exercise(t *testing.T, a, b *process, round string) {
	t.Helper()
	user := func(n int) string { return fmt.Sprintf("u%d", n) }
	ann, bob := connect(t, a, user(1)), connect(t, b, user(2))
	waitFor(t, "both users", func() bool {
		_, answer, err := a.call("POST", "/websocket/online/users", `{"userIds":["u1","u2"]}`)
		return err == nil && strings.Count(answer, `"online":true`) == 2
	})
	waitFor(t, "a push by name", func() bool {
		before := a.metric("carillon_cluster_forward_blind_total")
		a.pushed("send/user/u2", "probe")
		bob.alive()
		return a.metric("carillon_cluster_forward_blind_total") == before
	})
	bob.alive()
	a.pushed("broadcast", "mark "+round)
	for _, c := range []*client{ann, bob} {
		waitFor(t, "the mark", func() bool { m := c.messages(); return len(m) > 0 && m[len(m)-1] == "mark "+round })
		c.forget()
	}
	a.pushed("send/user/u2", round)
	bob.expects(round)
	b.pushed("send/user/u1", round)
	ann.expects(round)
	_ = ann.conn.Close()
	_ = bob.conn.Close()
	waitFor(t, "nobody to be online", func() bool { return a.get("/websocket/online/users") == "[]" })
}

// TestRedisCluster runs two nodes over a Redis Cluster that loses one of its masters.
func TestRedisCluster(t *testing.T) {
	rc, err := services.StartRedisCluster(t.Context(), 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(rc.Log())
		}
		if err := rc.Stop(false); err != nil {
			t.Error(err)
		}
	})
	flags, _ := busFlags(t, "--spring.data.redis.cluster.nodes="+strings.Join(rc.Addrs(), ","))
	a, b, c := serve(t, "a", flags...), serve(t, "b", flags...), serve(t, "c", flags...)
	for _, p := range []*process{a, b, c} {
		p.ready(3)
	}
	exercise(t, a, b, "whole")
	for i := range 10 {
		connect(t, c, fmt.Sprintf("u%d", 10+i))
	}
	waitFor(t, "the users of c", func() bool { return a.get("/websocket/online/count") == "10" })
	c.kill()
	waitFor(t, "the clean-up after c", func() bool { return a.get("/websocket/online/count") == "0" })
	a.ready(2)
	b.ready(2)

	stays := connect(t, b, "u5")
	rc.Kill(0)
	waitFor(t, "the failover", func() bool { return rc.WaitOK(context.Background()) == nil })
	stays.alive()
	waitFor(t, "the user who was online all the time", func() bool {
		_, answer, err := a.call("GET", "/websocket/online/users/u5", "")
		return err == nil && strings.Contains(answer, `"node":"b"`)
	})
	_ = stays.conn.Close()
	exercise(t, a, b, "after the failover")
	for _, p := range []*process{a, b} {
		if code := p.stop(); code != 0 {
			t.Errorf("node %s ended with code %d:\n%s", p.id, code, p.log)
		}
	}
	client := rc.Client()
	defer client.Close()
	err = client.ForEachMaster(t.Context(), func(ctx context.Context, m *goredis.Client) error {
		keys, err := m.Keys(ctx, "*").Result()
		if len(keys) > 0 {
			t.Errorf("left in Redis: %q", keys)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestSentinelFailover: when the master dies, the nodes go on with the replica.
func TestSentinelFailover(t *testing.T) {
	s, err := services.StartSentinel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.Log())
		}
		if err := s.Stop(false); err != nil {
			t.Error(err)
		}
	})
	flags, _ := busFlags(t, "--spring.data.redis.sentinel.master="+services.SentinelMaster, "--spring.data.redis.sentinel.nodes="+strings.Join(s.Addrs(), ","))
	a, b := serve(t, "a", flags...), serve(t, "b", flags...)
	a.ready(2)
	b.ready(2)
	exercise(t, a, b, "before")
	stays := connect(t, b, "u5")
	dead, err := s.KillMaster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stays.alive()
	during := connect(t, a, "u6")
	a.pushed("broadcast", "during the failover")
	stays.expects("during the failover")
	if _, err := s.WaitFailover(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "both users at the new master", func() bool {
		_, answer, err := b.call("POST", "/websocket/online/users", `{"userIds":["u5","u6"]}`)
		return err == nil && strings.Count(answer, `"online":true`) == 2
	})
	during.alive()
	_ = stays.conn.Close()
	_ = during.conn.Close()
	exercise(t, a, b, "after")
}
