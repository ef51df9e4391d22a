package scaling

import "reflect"

// Costs are the measured unit costs, one field each. CPU times are of all threads of
// the process that the figure names.
type Costs struct {
	// Of a node.
	Frame, FrameTogether, FrameKiB      Figure
	Heartbeat, Connect, Publish, Handle Figure
	Relay                               Figure
	UserMemory, KernelMemory, NodeBase  Figure

	// Of Redis.
	Script, Arrive, Depart       Figure
	ClusterArrive, ClusterDepart Figure
	Beat, Compare                Figure
	Lookup, LookupTogether       Figure
	Renewal, LeaseRead           Figure
	SessionMemory                Figure

	// Of RabbitMQ.
	MessageIn, Copy, Route Figure

	// Of the network.
	JSONEnvelope, BinaryEnvelope, PacketOverhead Figure
	Hop                                          Figure
	SourcePorts, Descriptors                     Figure
}

// Table returns the costs in the order of the fields.
func (c Costs) Table() []Figure {
	v := reflect.ValueOf(c)
	list := make([]Figure, v.NumField())
	for i := range list {
		list[i] = v.Field(i).Interface().(Figure)
	}
	return list
}

func bench(name string) string { return "`-bench " + name + "`" }

// Default returns the costs as measured on the machine that docs/scaling.md names.
func Default() Costs {
	m := func(what string, value float64, unit Unit, basis Basis, source string) Figure {
		return Figure{What: what, Value: value, Unit: unit, Basis: basis, Source: source}
	}
	return Costs{
		Frame: m("node: one frame of a lone broadcast, up to 128 B", 8.2, Microseconds, Measured,
			"`make growth`: a million connections in 54 gateways; 4.2 in another run, 4.8 to 5.2 with 100,000 connections in six"),
		FrameTogether: m("node: each more frame that leaves in the same send", 0.1, Microseconds, Derived,
			"README: 0.5 CPU s per million frames with up to 8 under way, one send for 8; that is no more than one send, so this is on the safe side"),
		FrameKiB: m("node: each KiB of a frame beyond", 0.3, Microseconds, Assumed, "copying at 3 to 4 GB/s, once to the socket"),
		Heartbeat: m("node: a heartbeat and its answer, when they are sparse", 35, Microseconds, Measured,
			"`make growth`: 100,000 connections in six gateways; 51 with a million in 54, 20 and 45 in another run; 7 when they are dense"),
		Connect: m("node: TCP, upgrade, registration", 60, Microseconds, Measured, bench("NodeCost")),
		Publish: m("node: a push for another node: HTTP, lookup, publish, confirm", 85, Microseconds, Measured, bench("NodeCost")),
		Handle:  m("node: a push from another node: decode, find the session, send", 28, Microseconds, Measured, bench("NodeCost")),
		Relay: m("node: passing a broadcast on to one node over a connection of its own", 8.2, Microseconds, Assumed,
			"as much as a frame to a client; there is no such relay yet"),
		UserMemory: m("node: memory of a session in user space", 1050, Bytes, Measured, "`make growth`: 1,001 B with 100,000 sessions in a cluster, 1,054 with a million"),
		KernelMemory: m("node: memory of a session in the kernel, idle", 5150, Bytes, Measured,
			"`make growth`: half of the 10.3 KB for both ends, of a million"),
		NodeBase: m("node: memory without sessions", 24<<20, Bytes, Measured, "`carillon bench heartbeat --pid`: RSS before"),

		Script: m("Redis: a script that writes changes, without them", 90, Microseconds, Measured, bench("RedisCost")+": few and many together, solved for both"),
		Arrive: m("Redis: each connect in it", 5, Microseconds, Measured, "the same"),
		Depart: m("Redis: each disconnect in it", 3, Microseconds, Measured, "the same"),
		ClusterArrive: m("Redis Cluster: a connect, many together, all masters", 8.5, Microseconds, Measured,
			bench("RedisClusterCost")+", 3 masters"),
		ClusterDepart:  m("Redis Cluster: a disconnect, the same", 7, Microseconds, Measured, "the same"),
		Beat:           m("Redis: a heartbeat brought up to date, in batches of 1,000", 0.8, Microseconds, Measured, bench("RedisCost")),
		Compare:        m("Redis: a user compared by reconciling, in batches of 1,000", 0.15, Microseconds, Measured, bench("RedisCost")),
		Lookup:         m("Redis: a lookup of one user", 12.5, Microseconds, Measured, bench("RedisCost")),
		LookupTogether: m("Redis: a user among 100 looked up together", 1.5, Microseconds, Measured, bench("RedisCost")),
		Renewal:        m("Redis: a renewal of a lease, without the leases read", 70, Microseconds, Measured, bench("LeaseCost")),
		LeaseRead:      m("Redis: each lease that it reads", 1.3, Microseconds, Measured, bench("LeaseCost")+": 10 to 5,000 nodes"),
		SessionMemory:  m("Redis: memory of a session and its user", 650, Bytes, Measured, bench("RedisCost")),

		MessageIn: m("RabbitMQ: a message of 1 KiB published, persistent, confirmed, to no queue", 7, Microseconds, Measured, bench("FanOutCost")),
		Copy:      m("RabbitMQ: each copy of it, to a queue of its own and its consumer", 60, Microseconds, Measured, bench("FanOutCost")+": 42 to 74 in runs with 1, 10 and 100 queues"),
		Route: m("RabbitMQ: that part of a copy which the publisher's channel does, one after the other", 6, Microseconds, Assumed,
			"a tenth of the copy; exchanges are no processes, so this is what is serial"),

		JSONEnvelope:   m("a broadcast on the wire of the broker, beyond its payload", 253, Bytes, Measured, "`TestModelOfBytes` in cluster/systemtest: a proxy counts"),
		BinaryEnvelope: m("a push between carillon nodes, the same", 142, Bytes, Measured, "the same"),
		PacketOverhead: m("a packet beyond its payload: Ethernet, IP, TCP with timestamps", 66, Bytes, Derived, "14 + 20 + 32 B"),
		Hop:            m("one way through the network, with waking up", 250, Microseconds, Assumed, "within a data centre"),
		SourcePorts: m("ports of one source address to one address and port", 28_232, Pieces, Derived,
			"net.ipv4.ip_local_port_range of Linux: 32768 to 60999"),
		Descriptors: m("most descriptors of a process", 1_048_576, Pieces, Derived, "fs.nr_open of Linux; what a service gets is often less"),
	}
}
