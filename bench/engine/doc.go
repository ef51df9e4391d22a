// Package engine generates the load of one process: it opens WebSocket
// connections, sends what is due when it is due, checks every message that
// comes, and counts and times all of it.
//
// An [Engine] runs gnet event loops. Each is one shard: it owns its connections
// and everything that is counted about them, so none of that needs a lock. A
// timer of the kernel wakes a loop when its next operation is due; dialers connect and hand established sockets to the loops; publishers call
// the server's HTTP interface. No connection has a goroutine, but those over
// TLS, whose handshake and records the standard library reads with one.
//
// The engine is told what to do step by step, by a coordinator that does the
// same with the engines of other processes and machines: Ramp, Traffic, Settle,
// Disconnect; Collect takes what was counted since the last time.
package engine
