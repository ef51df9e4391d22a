// Package redis is a [cluster.Presence] on Redis: a single server, one behind
// Sentinel, or a Redis Cluster.
//
// # Keys
//
// It keeps the keys of the Spring Boot cluster that carillon replaces, so that
// nodes of both read one another: ws:online:users, ws:session:user, ws:session:node,
// ws:node:sessions:{node} and ws:heartbeat:zset:{node}. Beside them it has its own:
//
//	{carillon}:nodes         hash  node -> JSON of what the node is
//	{carillon}:leases        zset  node -> when its lease runs out, Unix ms of Redis's clock
//	{carillon}:incarnations  hash  node -> incarnation of the last registration or clean-up
//	{carillon}:cleaning      zset  node -> until when another node cleans up after it
//	{carillon}:users         hash  node -> users on it
//	carillon:user:{user}     hash  node -> "incarnation:sessions" of the user there
//
// No key has a TTL; when every node has left, none is there any more.
//
// # Writing
//
// What is written about a user is the number of its sessions at the time of
// writing, never a difference: a write may be repeated, and changes that race end
// in the state that is true. One goroutine writes, one batch after the other: at
// once when it is idle, and everything that has gathered when it is not. On a single
// server or behind Sentinel the keys of a change are written by one script; in a
// Redis Cluster, where they live on several servers, in an order that lets a clean-up
// find everything after a crash at any point, and the shared online set is verified
// after the write.
//
// Each registration has an incarnation, larger than those before. A write of an
// older one is refused: what a node that was paused, or a connection that was cut,
// delivers too late changes nothing. When anything about a write is in doubt the
// node registers again and writes all its sessions anew.
//
// # Limits
//
// A node of the reference does not count the sessions of its users in a way that
// others could read cheaply. When the last session of a user on carillon nodes ends
// while the user still is on a reference node, the user leaves ws:online:users, as
// the reference itself does it.
package redis
