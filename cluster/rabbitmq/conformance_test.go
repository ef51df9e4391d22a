package rabbitmq_test

import (
	"testing"

	"carillon/cluster"
	"carillon/cluster/clustertest"
	"carillon/cluster/rabbitmq"
	"carillon/cluster/services"
)

func TestConformance(t *testing.T) {
	startBroker(t) // not in the time of the first check, nor among its goroutines
	clustertest.Bus(t, func(t testing.TB) clustertest.BusCluster {
		proxy, url := newVhost(t).proxied(t)
		return clustertest.BusCluster{
			New: func(t testing.TB) cluster.Bus {
				b, err := rabbitmq.New(rabbitmq.Options{URLs: []string{url}, OutboxMaxBytes: 2 << 20})
				if err != nil {
					t.Fatal(err)
				}
				return b
			},
			Away: func(t testing.TB) (back func()) {
				proxy.Refuse(services.RST)
				return func() { restore(t, proxy) }
			},
		}
	})
}
