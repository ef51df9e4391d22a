package scaling

import (
	"math"
	"slices"
)

// Limit is a part that can break.
type Limit struct {
	Part string
	// Of returns how much of what the part may do it does: at 1 it is at its limit.
	Of func(l Load, s Shape, u Use) float64
	// Then is what takes over.
	Then string
}

// spreadGoal is how long, in seconds, the broker may take to send all copies of one
// broadcast before somebody should look for another way.
const spreadGoal = 0.1

var (
	redisCore = Limit{
		"Redis, a single server: its one core",
		func(_ Load, _ Shape, u Use) float64 { return u.Redis.Least / CoreShare },
		"a Redis Cluster",
	}
	redisMemory = Limit{
		"Redis, a single server: its memory",
		func(_ Load, s Shape, u Use) float64 { return u.Redis.Memory / (s.Redis.Memory * MemoryShare) },
		"a Redis Cluster",
	}
	coordination = Limit{
		"`{carillon}:*`: leases and fences, in one slot",
		func(_ Load, _ Shape, u Use) float64 { return u.Redis.LeastCoordination / CoreShare },
		"fewer, larger nodes; a longer `cluster.lease`",
	}
	online = Limit{
		"`ws:online:users`, in one slot",
		func(_ Load, _ Shape, u Use) float64 { return u.Redis.Online / CoreShare },
		"dropping the reference's keys",
	}
	sessionHashes = Limit{
		"`ws:session:user` and `:node`: memory of one master",
		func(_ Load, s Shape, u Use) float64 { return u.Redis.SessionsMemory / (s.Redis.Memory * MemoryShare) },
		"dropping the reference's keys",
	}
	brokerCores = Limit{
		"RabbitMQ, each broker: its cores",
		func(_ Load, s Shape, u Use) float64 { return u.Broker.Cores / (s.Broker.Cores * CPUShare) },
		"more brokers, the nodes spread over them",
	}
	brokerNet = Limit{
		"RabbitMQ, each broker: its network",
		func(_ Load, s Shape, u Use) float64 { return u.Broker.Net / (s.Broker.Net * NetShare) },
		"more brokers, the nodes spread over them",
	}
	brokerChannel = Limit{
		"RabbitMQ, one exchange: the channel of the publisher",
		func(_ Load, _ Shape, u Use) float64 { return u.Broker.Channel / CoreShare },
		"publishing from several nodes; sharded exchanges; a relay tree",
	}
	brokerSpread = Limit{
		"RabbitMQ, one exchange: last copy leaves after 0.1 s",
		func(_ Load, _ Shape, u Use) float64 { return u.Broker.Spread / spreadGoal },
		"sharded exchanges on brokers of their own; a relay tree",
	}
)

// Limits returns those of the parts that nodes share, for a shape: of Redis either
// those of a single server or those of a Redis Cluster.
func Limits(s Shape) []Limit {
	list := []Limit{coordination, brokerCores, brokerNet, brokerChannel, brokerSpread}
	if s.Masters == 0 {
		return append(list, redisCore, redisMemory)
	}
	if s.Reference {
		list = append(list, online, sessionHashes)
	}
	return list
}

// NodeLimits returns those of a node.
func NodeLimits() []Limit {
	return []Limit{
		{"CPU", func(_ Load, s Shape, u Use) float64 { return u.Node.Cores / (s.Node.Cores * CPUShare) }, "more nodes"},
		{"memory", func(_ Load, s Shape, u Use) float64 { return u.Node.Memory / (s.Node.Memory * MemoryShare) }, "more nodes"},
		{"network", func(_ Load, s Shape, u Use) float64 { return u.Node.Net / (s.Node.Net * NetShare) }, "more nodes"},
		{"last frame of a broadcast after 1 s", func(_ Load, _ Shape, u Use) float64 { return u.Node.Sweep }, "more nodes"},
	}
}

// Break is the count at which a part breaks.
type Break struct {
	Limit
	Connections float64
}

// sought is the largest count at which breaks are looked for.
const sought = 1e10

// Breaks returns in order at how many connections each limit is reached, when load
// and shape grow with the connections. Those that are not reached below ten billion
// are left out. Of every limit the use must grow with the connections.
func Breaks(limits []Limit, load func(connections float64) Load, shape func(connections float64) Shape, c Costs) []Break {
	var list []Break
	for _, limit := range limits {
		share := func(n float64) float64 {
			l, s := load(n), shape(n)
			return limit.Of(l, s, UseOf(l, s, c))
		}
		if share(sought) < 1 {
			continue
		}
		low, high := 0.0, math.Log(sought)
		for range 60 {
			if mid := (low + high) / 2; share(math.Exp(mid)) < 1 {
				low = mid
			} else {
				high = mid
			}
		}
		list = append(list, Break{limit, math.Exp(high)})
	}
	slices.SortStableFunc(list, func(a, b Break) int { return int(math.Copysign(1, a.Connections-b.Connections)) })
	return list
}
