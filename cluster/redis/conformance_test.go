package redis

import (
	"context"
	"slices"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"carillon/cluster"
	"carillon/cluster/clustertest"
	"carillon/cluster/services"
)

// conform runs the suite over servers that are started once and emptied for each
// check.
func conform(t *testing.T, flush func(ctx context.Context) error, start func(t testing.TB) (o Options, away func(t testing.TB) func())) {
	clustertest.Presence(t, func(t testing.TB) clustertest.PresenceCluster {
		if err := flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		o, away := start(t)
		return clustertest.PresenceCluster{
			New: func(t testing.TB) cluster.Presence {
				p, err := New(o)
				if err != nil {
					t.Fatal(err)
				}
				return p
			},
			Away:    away,
			Written: true,
		}
	})
}

// A server that is paused is waited for as long as brief; one that refuses is not
// waited for at all. Both are long beside what a busy machine takes for an answer.
const (
	brief = 2 * time.Second
	long  = 10 * time.Second
)

func TestConformanceSingle(t *testing.T) {
	r := services.NewRedis(t, services.RedisOptions{})
	conform(t, r.Wipe, func(t testing.TB) (Options, func(t testing.TB) func()) {
		proxy := services.NewProxy(t, r.Addr())
		return Options{Addrs: []string{proxy.Addr()}, Timeout: long}, func(t testing.TB) func() {
			proxy.Refuse(services.RST)
			return func() {
				if err := proxy.Restore(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

func TestConformanceCluster(t *testing.T) {
	c := services.NewRedisCluster(t, 3, 0)
	client := c.Client()
	t.Cleanup(func() { _ = client.Close() })
	flush := func(ctx context.Context) error {
		return client.ForEachMaster(ctx, func(ctx context.Context, c *goredis.Client) error { return c.FlushAll(ctx).Err() })
	}
	conform(t, flush, func(testing.TB) (Options, func(t testing.TB) func()) {
		return Options{Addrs: c.Addrs(), Timeout: brief}, pausing(c.Nodes)
	})
}

func TestConformanceSentinel(t *testing.T) {
	s := services.NewSentinel(t)
	flush := func(ctx context.Context) error {
		m, err := s.Master(ctx)
		if err != nil {
			return err
		}
		return m.Wipe(ctx)
	}
	conform(t, flush, func(testing.TB) (Options, func(t testing.TB) func()) {
		return Options{Addrs: s.Addrs(), MasterName: services.SentinelMaster, Timeout: brief}, pausing(slices.Concat(s.Sentinels, s.Servers))
	})
}

// pausing stops the servers for as long as they are to be away.
func pausing(servers []*services.Redis) func(t testing.TB) func() {
	return func(t testing.TB) func() {
		for _, r := range servers {
			if err := r.Pause(); err != nil {
				t.Fatal(err)
			}
		}
		return func() {
			for _, r := range servers {
				if err := r.Resume(); err != nil {
					t.Error(err)
				}
			}
		}
	}
}
