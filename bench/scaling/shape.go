package scaling

import (
	"errors"
	"fmt"
	"time"
)

// Machine is what a node, a broker or a Redis server runs on.
type Machine struct {
	Cores  float64
	Memory float64 // bytes
	Net    float64 // bytes a second, each way
}

// Shares of a machine that a plan uses: what is left absorbs the clients of a lost
// node, garbage collection, and hours that are busier than planned.
const (
	CPUShare    = 0.5
	MemoryShare = 0.7
	NetShare    = 0.5
	// CoreShare is for what runs on one core alone: at 0.7 the mean wait is already
	// more than twice the time that the work itself takes.
	CoreShare = 0.7
)

// Server is the machine that docs/scaling.md plans with.
var Server = Machine{Cores: 16, Memory: 64 << 30, Net: 10e9 / 8}

// Shape is how a cluster is built.
type Shape struct {
	Nodes float64
	// Exchanges are the exchanges over which broadcasts are spread, each with the
	// queues of as many nodes, on a broker of its own. 1 is what there is today.
	Exchanges float64
	// FanOut makes a relay tree: a broadcast goes through the exchange to the first
	// level only, and each node passes it on to FanOut others over a connection of its
	// own. 0 is without one.
	FanOut float64
	// Masters are those of a Redis Cluster; 0 is a single server.
	Masters float64
	// Reference says that the keys of the Spring Boot cluster are kept, as they are
	// today.
	Reference bool
	// Mixed says that there are reference nodes: pushes then go to every node.
	Mixed bool

	Lease, Refresh, Reconcile time.Duration
	// RoundTrip to a Redis that is idle. What comes meanwhile leaves together.
	RoundTrip time.Duration
	Node      Machine
	Broker    Machine
	Redis     Machine
}

// Plain is what there is today, of so many nodes: one exchange, a single Redis, the
// default times.
func Plain(nodes float64) Shape {
	return Shape{
		Nodes: nodes, Exchanges: 1, Reference: true,
		Lease: 15 * time.Second, Refresh: 20 * time.Second, Reconcile: 30 * time.Second,
		RoundTrip: 500 * time.Microsecond, Node: Server, Broker: Server, Redis: Server,
	}
}

// Validate tells what is wrong with a shape.
func (s Shape) Validate() error {
	var errs []error
	check := func(ok bool, what string, value any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s of %v", what, value))
		}
	}
	check(s.Nodes >= 1, "nodes", s.Nodes)
	check(s.Exchanges >= 1 && s.Exchanges <= s.Nodes, "exchanges", s.Exchanges)
	check(s.FanOut == 0 || s.FanOut >= 2, "fan-out", s.FanOut)
	check(s.Masters == 0 || s.Masters >= 3, "masters", s.Masters)
	check(s.Lease > 0, "lease", s.Lease)
	check(s.Refresh > 0, "refresh interval", s.Refresh)
	check(s.Reconcile > 0, "reconcile interval", s.Reconcile)
	check(s.RoundTrip > 0, "round trip", s.RoundTrip)
	for name, m := range map[string]Machine{"node": s.Node, "broker": s.Broker, "redis": s.Redis} {
		check(m.Cores > 0 && m.Memory > 0 && m.Net > 0, name+" machine", m)
	}
	return errors.Join(errs...)
}

// heads returns how many nodes get a broadcast from the broker.
func (s Shape) heads() float64 {
	if s.FanOut == 0 {
		return s.Nodes
	}
	// The first level is as wide as any other node's children.
	return min(s.FanOut, s.Nodes)
}
