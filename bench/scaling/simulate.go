package scaling

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Latency is how long broadcasts take, in seconds from the publish to the socket of a
// client.
type Latency struct {
	// Arrived is until the last node has a broadcast, in the middle of all broadcasts.
	Arrived  float64
	P50, P99 float64 // over all frames
	// Last is until the last client has a broadcast, in the middle of all broadcasts;
	// Worst of all of them.
	Last, Worst float64
	// Together is how many broadcasts left in one send, on average.
	Together float64
}

// samples is how many of the clients of a node are followed for each broadcast.
const samples = 4

// Simulate follows so many broadcasts, which arrive by chance at the load's rate, from
// the publisher through the broker, and the relay tree if there is one, to the
// sockets. Broker and nodes have nothing else to do than broadcasts: it is about how
// these meet each other. The same seed gives the same result.
func Simulate(l Load, s Shape, c Costs, broadcasts int, seed uint64) Latency {
	random := rand.New(rand.NewPCG(seed, 0))
	nodes := make([]node, int(math.Round(s.Nodes)))
	for i := range nodes {
		nodes[i].loops = s.Node.Cores
		nodes[i].frame = l.Connections / s.Nodes * c.frame(l.Payload)
		nodes[i].more = l.Connections / s.Nodes * c.FrameTogether.seconds()
	}
	exchanges := make([]exchange, int(s.Exchanges))
	for i := range exchanges {
		exchanges[i].cores = newPool(int(s.Broker.Cores))
	}
	published := make([]float64, broadcasts)
	now := 0.0
	for b := range published {
		now += random.ExpFloat64() / l.Broadcasts
		published[b] = now
		spread(now, s, c, nodes, exchanges)
	}

	var all []float64
	arrived, last := make([]float64, broadcasts), make([]float64, broadcasts)
	sends := 0
	for i := range nodes {
		for b, at := range nodes[i].arrivals {
			arrived[b] = max(arrived[b], at-published[b])
		}
		sends += nodes[i].serve(func(b int, begin, end float64) {
			for k := range samples {
				all = append(all, begin+(end-begin)*(float64(k)+0.5)/samples-published[b])
			}
			last[b] = max(last[b], end-published[b])
		})
	}
	slices.Sort(all)
	slices.Sort(arrived)
	slices.Sort(last)
	return Latency{
		Arrived: quantile(arrived, 0.5), P50: quantile(all, 0.5), P99: quantile(all, 0.99), Last: quantile(last, 0.5), Worst: last[len(last)-1],
		Together: float64(broadcasts*len(nodes)) / float64(sends),
	}
}

// spread brings one broadcast to all nodes.
func spread(now float64, s Shape, c Costs, nodes []node, exchanges []exchange) {
	heads := int(math.Round(s.heads()))
	for e := range exchanges {
		x := &exchanges[e]
		// The publisher's channel routes one copy after the other; queues, consumers and
		// sockets of each copy are processes of their own, on any core.
		x.channel = max(x.channel, now+c.Hop.seconds()) + c.MessageIn.seconds()
		for i := e; i < heads; i += len(exchanges) {
			x.channel += c.Route.seconds()
			sent := x.cores.run(x.channel, c.Copy.seconds()-c.Route.seconds())
			nodes[i].arrive(sent + c.Hop.seconds() + c.Handle.seconds())
		}
	}
	if heads == len(nodes) {
		return
	}
	// Numbered level by level: the children of i are i*fanOut+heads and on, as those of
	// an invisible root are 0 to heads-1.
	fanOut := int(s.FanOut)
	for i := range nodes {
		at := nodes[i].arrivals[len(nodes[i].arrivals)-1]
		for child := heads + i*fanOut; child < min(heads+(i+1)*fanOut, len(nodes)); child++ {
			at += c.Relay.seconds() // before its own clients, and one after the other
			nodes[child].arrive(at + c.Hop.seconds() + c.Handle.seconds())
		}
	}
}

// exchange is one with the broker that it is on.
type exchange struct {
	channel float64 // when the publisher's channel is free
	cores   pool
}

// node is one gateway: what has arrived, and what a sweep over its clients costs.
type node struct {
	arrivals    []float64
	loops       float64
	frame, more float64 // CPU seconds for all clients, of the first and of each more frame
}

func (n *node) arrive(at float64) { n.arrivals = append(n.arrivals, at) }

// serve sweeps: what has arrived when one begins leaves together. It calls sent for each
// broadcast, with when its first and its last frame leave, and returns how many
// sweeps there were.
func (n *node) serve(sent func(b int, begin, end float64)) (sweeps int) {
	free := 0.0
	order := make([]int, len(n.arrivals))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case n.arrivals[a] < n.arrivals[b]:
			return -1
		case n.arrivals[a] > n.arrivals[b]:
			return 1
		}
		return 0
	})
	for i := 0; i < len(order); sweeps++ {
		begin := max(free, n.arrivals[order[i]])
		k := i + 1
		for k < len(order) && n.arrivals[order[k]] <= begin {
			k++
		}
		free = begin + (n.frame+float64(k-i-1)*n.more)/n.loops
		for ; i < k; i++ {
			sent(order[i], begin, free)
		}
	}
	return sweeps
}

// quantile returns that of a sorted list.
func quantile(sorted []float64, q float64) float64 {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
