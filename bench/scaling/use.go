package scaling

// NodeUse is what one node needs.
type NodeUse struct {
	Connections float64
	// Cores are the sum of what follows.
	Cores                                              float64
	Heartbeats, Connects, Publishing, Handling, Frames float64
	Memory                                             float64
	Net                                                float64 // bytes a second to clients
	// Sweep is how long one broadcast takes from its first to its last frame, in
	// seconds, when every core does nothing else.
	Sweep float64
}

// RedisUse is what Redis needs, in cores: seconds of its one thread a second.
type RedisUse struct {
	// Wait is what a node waits for an answer, in seconds: a round trip, or so much more
	// that Redis, with what has gathered meanwhile leaving together, is not overloaded.
	Wait float64
	// Total is all of it: on one server or, of a Redis Cluster, on all masters together.
	Total                                     float64
	Changes, Beats, Compared, Lookups, Leases float64
	Memory                                    float64
	// Coordination, Online and Sessions are keys that live in one slot each, however
	// many masters there are: {carillon}:*, ws:online:users, and the busier of
	// ws:session:user and ws:session:node.
	Coordination, Online, Sessions float64
	// Least and LeastCoordination are Total and Coordination when nodes wait for as long as
	// they may.
	Least, LeastCoordination float64
	SessionsMemory           float64 // of each of the last two
}

// BrokerUse is what one broker of as many as there are exchanges needs.
type BrokerUse struct {
	Cores float64
	Net   float64 // bytes a second to nodes
	// Channel is the share of one core that the publisher of all broadcasts takes.
	Channel float64
	// Spread is how long the copies of one broadcast take to leave, in seconds, when
	// every core does nothing else.
	Spread float64
}

// Use is what all parts need.
type Use struct {
	Counts Counts
	Node   NodeUse
	Redis  RedisUse
	Broker BrokerUse
}

// writesPerChange is how many keys a change is written to; each is taken to cost the
// same.
const writesPerChange = 6

// hashEntry is what Redis holds for one session in ws:session:user or
// ws:session:node: two strings with their headers, and an entry of the table.
const hashEntry = 150

// UseOf computes what a load needs of a cluster.
func UseOf(l Load, s Shape, c Costs) Use {
	n, redis := settle(l, s, c)
	return Use{Counts: n, Node: nodeUse(l, s, n, c), Redis: redis, Broker: brokerUse(l, s, n, c)}
}

// frame returns the CPU time of a frame that leaves alone, in seconds.
func (c Costs) frame(payload float64) float64 {
	return c.Frame.seconds() + max(payload-128, 0)/1024*c.FrameKiB.seconds()
}

func nodeUse(l Load, s Shape, n Counts, c Costs) NodeUse {
	u := NodeUse{Connections: l.Connections / s.Nodes}
	pushes := l.Pushes / s.Nodes
	u.Heartbeats = l.Heartbeats() / s.Nodes * c.Heartbeat.seconds()
	u.Connects = l.Connects() / s.Nodes * c.Connect.seconds()
	u.Publishing = pushes * c.Publish.seconds()
	// A push for a user of the same node is taken to cost as much as one from another.
	u.Handling = (max(n.Copies-n.BroadcastCopies, l.Pushes)/s.Nodes + l.Broadcasts) * c.Handle.seconds()
	u.Frames = l.Broadcasts*u.Connections*c.frame(l.Payload) + n.Relayed/s.Nodes*c.Relay.seconds()
	u.Cores = u.Heartbeats + u.Connects + u.Publishing + u.Handling + u.Frames
	u.Memory = c.NodeBase.Value + u.Connections*(c.UserMemory.Value+c.KernelMemory.Value)
	packet := c.PacketOverhead.Value + frameHeader(l.Payload) + l.Payload
	u.Net = packet * (l.Broadcasts*u.Connections + pushes*l.PerUser)
	u.Net += l.Heartbeats() / s.Nodes * (c.PacketOverhead.Value + ackFrame)
	u.Sweep = u.Connections * c.frame(l.Payload) / s.Node.Cores
	return u
}

// ackFrame is the frame that answers a heartbeat.
const ackFrame = 2 + 24

// frameHeader returns the length of the header of a frame from a server.
func frameHeader(payload float64) float64 {
	switch {
	case payload < 126:
		return 2
	case payload < 1<<16:
		return 4
	default:
		return 10
	}
}

func redisUse(l Load, s Shape, n Counts, c Costs) RedisUse {
	var u RedisUse
	// Lookups of one node gather while the one before is under way, like changes.
	together := Together(n.Lookups/s.Nodes, s.RoundTrip.Seconds(), lookupsTogether)
	lookup := c.LookupTogether.seconds() + (c.Lookup.seconds()-c.LookupTogether.seconds())/together
	u.Lookups = n.Lookups * lookup
	u.Leases = n.Renewals*c.Renewal.seconds() + n.LeaseReads*c.LeaseRead.seconds()
	u.Beats = n.Beats * c.Beat.seconds()
	u.Compared = n.Compared * c.Compare.seconds()
	arrive, depart := c.Arrive.seconds(), c.Depart.seconds()
	if s.Masters > 0 {
		arrive, depart = c.ClusterArrive.seconds(), c.ClusterDepart.seconds()
	}
	each := (n.Connects*arrive + n.Leaves*depart) / writesPerChange
	kept := float64(writesPerChange)
	if !s.Reference {
		// The user's hash and the node's set of sessions, which clean-up needs, remain.
		kept = 2
	}
	fences := n.Scripts * c.Script.seconds()
	u.Changes = fences + kept*each
	u.Total = u.Changes + u.Beats + u.Compared + u.Lookups + u.Leases
	u.Coordination = fences + u.Leases
	if s.Reference {
		u.Online = each + u.Compared + n.Lookups*c.Compare.seconds()
		u.Sessions = each
		u.SessionsMemory = l.Connections * hashEntry
	}
	u.Memory = l.Connections * c.SessionMemory.Value
	return u
}

func brokerUse(l Load, s Shape, n Counts, c Costs) BrokerUse {
	return BrokerUse{
		Cores:   (n.In*c.MessageIn.seconds() + n.Copies*c.Copy.seconds()) / s.Exchanges,
		Net:     n.BytesOut / s.Exchanges,
		Channel: n.BroadcastCopies / s.Exchanges * c.Route.seconds(),
		Spread:  s.heads() / s.Exchanges * c.Copy.seconds() / s.Broker.Cores,
	}
}
