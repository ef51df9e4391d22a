package redis

// Keys of the reference.
const (
	keyOnline       = "ws:online:users"
	keySessionUser  = "ws:session:user"
	keySessionNode  = "ws:session:node"
	keyNodeSessions = "ws:node:sessions:"
	keyHeartbeats   = "ws:heartbeat:zset:"
)

// Keys of carillon. The braces keep those that scripts use together in one slot of
// a Redis Cluster.
const (
	keyNodes        = "{carillon}:nodes"
	keyLeases       = "{carillon}:leases"
	keyIncarnations = "{carillon}:incarnations"
	keyCleaning     = "{carillon}:cleaning"
	keyUsers        = "{carillon}:users"
	keyUser         = "carillon:user:"
)
