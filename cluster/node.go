package cluster

import "time"

// Node is one carillon node as the cluster knows it.
type Node struct {
	// ID is server.node-id: unique among the nodes alive, the same at each start.
	ID string
	// Tag stands in the ids of the node's sessions. It differs from start to start.
	Tag uint32
	// Owner names whoever starts the process, when it says so: a supervisor. A new
	// start with the same ID and a non-empty Owner takes the id over at once, since
	// its owner knows that the former one is dead. Two that are alive under one Owner
	// would take the id from each other.
	Owner string
	// Incarnation grows with each registration under the same ID. A Presence sets it.
	Incarnation uint64
	// Version and Address are for people: the build, and where the node listens.
	Version, Address string
	// Started is when the process started.
	Started time.Time

	// Users and Sessions are what the node holds, Expires is when its lease runs
	// out unless it is renewed; of nodes returned by a Presence only.
	Users, Sessions int
	Expires         time.Time
}
