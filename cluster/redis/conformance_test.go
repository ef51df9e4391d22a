package redis

import (
	"testing"
	"time"

	"carillon/cluster"
	"carillon/cluster/clustertest"
)

func TestConformanceSingle(t *testing.T) {
	clustertest.Presence(t, func(t testing.TB) clustertest.PresenceCluster {
		x := startProxy(t, startRedis(t))
		return clustertest.PresenceCluster{
			New: func(t testing.TB) cluster.Presence {
				p, err := New(Options{Addrs: []string{x.addr()}, Lease: 15 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				return p
			},
			Away:    func(t testing.TB) func() { x.cut(); return x.restore },
			Written: true,
		}
	})
}
