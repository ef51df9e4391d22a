package scaling

import "math"

// Counts is what a load makes the shared parts do in a second. It holds whatever the
// machines are.
type Counts struct {
	// In are messages published to RabbitMQ, Copies those it delivers to nodes, Own
	// those among them that go back to the node that has published them.
	In, Copies, Own float64
	// BroadcastCopies are those of Copies that broadcasts cause.
	BroadcastCopies float64
	// Relayed are broadcasts that nodes pass on to nodes.
	Relayed float64
	// BytesIn and BytesOut are those of the broker.
	BytesIn, BytesOut float64

	// Connects and Leaves are changes of presence, Scripts what they are written by.
	Connects, Leaves, Scripts float64
	// Commands are those that Redis executes for the changes, as INFO counts them:
	// the scripts and what they call.
	Commands float64
	// Beats are heartbeats written, Compared users whom reconciling looks at, Lookups
	// users asked for.
	Beats, Compared, Lookups float64
	// Renewals of leases, and LeaseReads, of all leases by each.
	Renewals, LeaseReads float64
}

// Commands that a script of changes executes, beside one or two for each user: itself,
// four of the fence, four of the sessions, one of the shared online set.
const commandsPerScript = 10

// How many changes one script writes at most, on a single server and in a Redis
// Cluster, where a script is only the fence of a batch; and how many pushes are looked
// up in one round trip.
const (
	changesTogether        = 100
	changesTogetherCluster = 1000
	lookupsTogether        = 512
)

// clusterSteps is how many round trips one batch of changes takes in a Redis Cluster.
const clusterSteps = 4

// Together returns how many of a node's changes or lookups, at most so many, leave
// together, when they gather for the length of a round trip.
func Together(perSecond, roundTrip, most float64) float64 {
	return min(max(perSecond*roundTrip, 1), most)
}

// PresenceCommands returns how many commands Redis executes for so many connects and
// leaves of users with one session each, written by so many scripts. A script holds
// connects or leaves.
func PresenceCommands(connects, leaves, scripts float64) float64 {
	return commandsPerScript*scripts + connects + 2*leaves
}

// Count counts.
func Count(l Load, s Shape, c Costs) Counts {
	var n Counts
	remote := holders(l.PerUser, s.Nodes)
	n.In = l.Broadcasts * s.Exchanges
	n.BroadcastCopies = l.Broadcasts * s.heads()
	n.Own = l.Broadcasts
	n.Relayed = l.Broadcasts * (s.Nodes - s.heads())
	pushIn, pushCopies := l.Pushes*remote, l.Pushes*remote
	size := c.BinaryEnvelope.Value + l.Payload
	if s.Mixed {
		pushIn, pushCopies = l.Pushes, l.Pushes*s.Nodes
		size = c.JSONEnvelope.Value + l.Payload
		n.Own += l.Pushes
	}
	n.In += pushIn
	n.Copies = n.BroadcastCopies + pushCopies
	broadcast := c.JSONEnvelope.Value + l.Payload
	n.BytesIn = l.Broadcasts*s.Exchanges*broadcast + pushIn*size
	n.BytesOut = n.BroadcastCopies*broadcast + pushCopies*size

	n.Connects, n.Leaves = l.Connects(), l.Connects()
	changes := n.Connects + n.Leaves
	wait := s.RoundTrip.Seconds()
	if s.Masters > 0 {
		n.Scripts = changes / Together(changes/s.Nodes, clusterSteps*wait, changesTogetherCluster)
	} else {
		n.Scripts = changes / Together(changes/s.Nodes, wait, changesTogether)
	}
	n.Commands = PresenceCommands(n.Connects, n.Leaves, n.Scripts)
	n.Beats = l.Connections / s.Refresh.Seconds()
	n.Compared = l.Users() / (0.75 * s.Reconcile.Seconds())
	if !s.Reference {
		n.Beats, n.Compared = 0, 0
	}
	n.Lookups = l.Pushes * (1 - l.Known)
	n.Renewals = 3 * s.Nodes / s.Lease.Seconds()
	n.LeaseReads = n.Renewals * s.Nodes
	return n
}

// holders returns at how many other nodes a user is, on average, when each session is
// at any node with the same chance.
func holders(perUser, nodes float64) float64 {
	return (nodes - 1) * (1 - math.Pow(1-1/nodes, perUser))
}
