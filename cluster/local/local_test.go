package local_test

import (
	"testing"

	"go.uber.org/goleak"

	"carillon/cluster"
	"carillon/cluster/clustertest"
	"carillon/cluster/local"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPresence(t *testing.T) {
	clustertest.Presence(t, func(testing.TB) clustertest.PresenceCluster {
		hub := local.NewHub()
		return clustertest.PresenceCluster{
			New: func(testing.TB) cluster.Presence { return hub.Presence() },
			Away: func(testing.TB) func() {
				hub.SetPresenceAway(true)
				return func() { hub.SetPresenceAway(false) }
			},
		}
	})
}

func TestBus(t *testing.T) {
	clustertest.Bus(t, func(testing.TB) clustertest.BusCluster {
		hub := local.NewHub()
		hub.SetOutboxLimit(2 << 20)
		return clustertest.BusCluster{
			New: func(testing.TB) cluster.Bus { return hub.Bus() },
			Away: func(testing.TB) func() {
				hub.SetBusAway(true)
				return func() { hub.SetBusAway(false) }
			},
		}
	})
}
