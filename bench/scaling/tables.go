package scaling

import (
	"fmt"
	"math"
)

// Sizes of nodes that the tables compare: as many connections as a node was tested
// with, and those that larger machines would hold.
var nodeSizes = []float64{15_000, 100_000, 500_000}

// Tables returns all tables, in the order of the page.
func Tables(c Costs) []Table {
	return []Table{
		answerTable(c), costTable(c), nodeTable(c), rateTable(c), planTable(c), breakTable(c), exchangeTable(c), latencyTable(c),
		slotTable(c), mixedTable(c), frontTable(c), stormTable(c),
	}
}

// masters returns how many masters of a Redis Cluster a load needs, at least 3.
func masters(l Load, s Shape, c Costs) float64 {
	s.Masters = 3
	r := UseOf(l, s, c).Redis
	return max(math.Ceil(r.Least/CoreShare), math.Ceil(r.Memory/(s.Redis.Memory*MemoryShare)), 3)
}

func answerTable(c Costs) Table {
	t := Table{Name: "answer", Head: []string{"connections", "nodes", "Redis", "nearest limit of a key that one master has", "cores of RabbitMQ", "brokers"}}
	for _, plan := range []struct{ connections, nodes float64 }{{1e6, 10}, {1e7, 100}, {1e7, 20}, {1e8, 1000}, {1e8, 200}} {
		l, s := Everyday(plan.connections), Plain(plan.nodes)
		u := UseOf(l, s, c)
		servers, key := "one server, "+percent(u.Redis.Total)+" of its core", "it has all"
		if _, share := worst([]Limit{redisCore, redisMemory}, l, s, u); share >= 1 {
			s.Masters = masters(l, s, c)
			servers = whole(s.Masters) + " masters"
			u = UseOf(l, s, c)
			limit, share := worst([]Limit{coordination, online, sessionHashes}, l, s, u)
			key = fmt.Sprintf("%s, %s of its limit", limit.Part, percent(share))
		}
		t.add(whole(plan.connections), whole(plan.nodes)+" of "+whole(plan.connections/plan.nodes), servers, key,
			number(u.Broker.Cores), whole(max(math.Ceil(u.Broker.Cores/(s.Broker.Cores*CPUShare)), 1)))
	}
	return t
}

func costTable(c Costs) Table {
	t := Table{Name: "costs", Head: []string{"what", "cost", "basis", "source"}}
	for _, f := range c.Table() {
		value := number(f.Value) + " " + f.Unit.String()
		switch {
		case f.Unit == Pieces:
			value = whole(f.Value)
		case f.Unit == Bytes && f.Value >= 1<<20:
			value = size(f.Value)
		}
		t.add(f.What, value, f.Basis.String(), f.Source)
	}
	return t
}

// worst returns the limit that is nearest.
func worst(limits []Limit, l Load, s Shape, u Use) (Limit, float64) {
	var nearest Limit
	most := math.Inf(-1)
	for _, limit := range limits {
		if share := limit.Of(l, s, u); share > most {
			nearest, most = limit, share
		}
	}
	return nearest, most
}

func nodeTable(c Costs) Table {
	t := Table{Name: "nodes", Head: []string{"connections of a node", "cores busy", "of them frames of broadcasts", "heartbeats", "pushes", "connects",
		"memory", "network", "one broadcast to all", "nearest limit"}}
	for _, of := range append(nodeSizes, 1_000_000) {
		s := Plain(20)
		l := Everyday(of * s.Nodes)
		u := UseOf(l, s, c)
		n := u.Node
		limit, share := worst(NodeLimits(), l, s, u)
		t.add(whole(of), number(n.Cores), number(n.Frames), number(n.Heartbeats), number(n.Publishing+n.Handling), number(n.Connects),
			size(n.Memory), bits(n.Net), span(n.Sweep), fmt.Sprintf("%s, %s of it", limit.Part, percent(share)))
	}
	return t
}

func planTable(c Costs) Table {
	t := Table{Name: "plan", Head: []string{"connections", "of a node", "nodes", "published /s", "copies /s", "cores of RabbitMQ",
		"nodes wait for Redis", "its core is busy", "changes", "heartbeats", "lookups", "reconcile", "leases", "fully gathered", "memory of Redis"}}
	for _, connections := range []float64{1e6, 1e7, 1e8} {
		for _, of := range nodeSizes {
			s := Plain(math.Ceil(connections / of))
			u := UseOf(Everyday(connections), s, c)
			n, r := u.Counts, u.Redis
			t.add(whole(connections), whole(of), whole(s.Nodes), number(n.In), number(n.Copies), number(u.Broker.Cores),
				span(r.Wait), percent(r.Total), percent(r.Changes), percent(r.Beats), percent(r.Lookups), percent(r.Compared), percent(r.Leases), percent(r.Least), size(r.Memory))
		}
	}
	return t
}

func breakTable(c Costs) Table {
	t := Table{Name: "breaks", Head: []string{"shape", "connections of a node", "breaks at", "nodes then", "part", "what takes over"}}
	for _, shape := range []struct {
		name string
		with func(s Shape) Shape
	}{
		{"as it is: one broker, one Redis", func(s Shape) Shape { return s }},
		{"16 brokers, a Redis Cluster", func(s Shape) Shape {
			s.Exchanges, s.Masters = min(16, s.Nodes), 30
			return s
		}},
		{"the same without the reference's keys", func(s Shape) Shape {
			s.Exchanges, s.Masters, s.Reference = min(16, s.Nodes), 30, false
			return s
		}},
	} {
		for _, of := range nodeSizes {
			build := func(connections float64) Shape { return shape.with(Plain(max(connections/of, 1))) }
			limits := Limits(build(1e8))
			breaks := Breaks(limits, Everyday, build, c)
			for _, b := range breaks[:min(3, len(breaks))] {
				t.add(shape.name, whole(of), number(b.Connections), whole(math.Ceil(build(b.Connections).Nodes)), b.Part, b.Then)
			}
		}
	}
	return t
}

// paths are the ways of a broadcast that the tables compare.
var paths = []struct {
	name string
	with func(s Shape) Shape
}{
	{"one exchange", func(s Shape) Shape { return s }},
	{"4 exchanges, 4 brokers", func(s Shape) Shape { s.Exchanges = 4; return s }},
	{"16 exchanges, 16 brokers", func(s Shape) Shape { s.Exchanges = 16; return s }},
	{"relay tree, fan-out 16", func(s Shape) Shape { s.FanOut = 16; return s }},
}

// broadcastNodes are the sizes of clusters in these tables.
var broadcastNodes = []float64{200, 1000, 5000}

func exchangeTable(c Costs) Table {
	t := Table{Name: "exchanges", Head: []string{"path", "nodes", "copies of a broadcast", "cores of one broker at 10 broadcasts/s", "broadcasts/s that the brokers have cores for", "by one publisher"}}
	for _, path := range paths {
		for _, nodes := range broadcastNodes {
			s := path.with(Plain(nodes))
			l := Everyday(nodes) // one connection a node: the broker alone is looked at
			l.Pushes, l.Broadcasts = 0, 10
			u := UseOf(l, s, c)
			t.add(path.name, whole(nodes), whole(s.heads()), number(u.Broker.Cores),
				number(l.Broadcasts/brokerCores.Of(l, s, u)), number(l.Broadcasts/brokerChannel.Of(l, s, u)))
		}
	}
	return t
}

// simulated is for how many seconds broadcasts are followed.
const simulated = 20

func latencyTable(c Costs) Table {
	t := Table{Name: "latency", Head: []string{"path", "nodes", "connections", "last node has it", "p50 of clients", "p99", "last client", "worst broadcast"}}
	for _, path := range paths {
		for _, nodes := range broadcastNodes {
			s := path.with(Plain(nodes))
			l := Everyday(nodes * 20_000)
			got := Simulate(l, s, c, simulated, 1)
			t.add(path.name, whole(nodes), whole(l.Connections), span(got.Arrived), span(got.P50), span(got.P99), span(got.Last), span(got.Worst))
		}
	}
	return t
}

func rateTable(c Costs) Table {
	t := Table{Name: "rate", Head: []string{"connections of a node", "broadcasts/s", "leave together", "p50", "p99", "worst broadcast"}}
	for _, of := range nodeSizes {
		for _, rate := range []float64{1, 10, 100} {
			l := Everyday(2 * of)
			l.Broadcasts = rate
			got := Simulate(l, Plain(2), c, simulated*int(rate), 1)
			t.add(whole(of), number(rate), number(got.Together), span(got.P50), span(got.P99), span(got.Worst))
		}
	}
	return t
}

func slotTable(c Costs) Table {
	t := Table{Name: "slots", Head: []string{"connections", "nodes", "keys", "masters at least", "nodes wait", "cores of all masters", "`{carillon}:*`, of a core",
		"`ws:online:users`", "`ws:session:*`, each", "memory of each of these"}}
	for _, connections := range []float64{1e7, 1e8} {
		for _, of := range nodeSizes {
			for _, reference := range []bool{true, false} {
				s := Plain(math.Ceil(connections / of))
				s.Reference = reference
				l := Everyday(connections)
				s.Masters = masters(l, s, c)
				r := UseOf(l, s, c).Redis
				keys := "all"
				if !reference {
					keys = "carillon's alone"
				}
				t.add(whole(connections), whole(s.Nodes), keys, whole(s.Masters), span(r.Wait),
					number(r.Total), percent(r.LeastCoordination), percent(r.Online), percent(r.Sessions), size(r.SessionsMemory))
			}
		}
	}
	return t
}

func mixedTable(c Costs) Table {
	t := Table{Name: "mixed", Head: []string{"connections", "nodes", "copies /s", "cores of RabbitMQ", "copies /s with one reference node", "cores of RabbitMQ", "pushes each node reads /s"}}
	for _, connections := range []float64{1e5, 1e6, 1e7} {
		s := Plain(max(math.Ceil(connections/100_000), 3))
		l := Everyday(connections)
		alone := UseOf(l, s, c)
		s.Mixed = true
		mixed := UseOf(l, s, c)
		t.add(whole(connections), whole(s.Nodes), number(alone.Counts.Copies), number(alone.Broker.Cores),
			number(mixed.Counts.Copies), number(mixed.Broker.Cores), number(l.Pushes))
	}
	return t
}

// SourceAddresses returns how many source addresses a proxy needs towards one node, on
// one port of it, for so many connections.
func SourceAddresses(connections float64, c Costs) float64 {
	return math.Ceil(connections / c.SourcePorts.Value)
}

func frontTable(c Costs) Table {
	t := Table{Name: "front", Head: []string{"connections of a node", "descriptors of its process", "of what a process may have",
		"source addresses of the proxies in front of it"}}
	for _, of := range append(nodeSizes, 1_000_000) {
		addresses := SourceAddresses(of, c)
		t.add(whole(of), whole(of), percent(of/c.Descriptors.Value), whole(addresses))
	}
	return t
}

func stormTable(c Costs) Table {
	t := Table{Name: "storm", Head: []string{"who comes back", "within", "connections", "nodes", "connects/s of each other node", "cores for them",
		"Redis has written them after", "and what they left behind after"}}
	const of = 100_000
	gathered := func(each Figure) float64 { return each.seconds() + c.Script.seconds()/changesTogether }
	for _, connections := range []float64{1e7, 1e8} {
		nodes := connections / of
		row := func(who string, lost, left, within float64) {
			rate := lost / left / within
			t.add(who, span(within), whole(connections), whole(nodes), number(rate), number(rate*c.Connect.seconds()),
				span(max(lost*gathered(c.Arrive), within)), span(lost*gathered(c.Depart)))
		}
		// Clients wait for up to a second at first, and for up to half a minute when they
		// were refused some times.
		row("clients of one node", of, nodes-1, 1)
		row("clients of a tenth of the nodes", connections/10, nodes*0.9, 1)
		row("all clients", connections, nodes, 1)
		row("all clients, refused before", connections, nodes, 30)
	}
	return t
}
