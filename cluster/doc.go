// Package cluster says what a gateway needs from the others: a [Presence], which
// knows who is online where, and a [Bus], which carries operations to other nodes.
// It knows nodes and routes, not connections.
//
// cluster/local keeps both in memory: what a single node uses, or several in one
// process. cluster/redis is a Presence and cluster/rabbitmq a Bus; they read and
// write the keys and messages of the Spring Boot cluster that carillon replaces,
// so that its nodes can live in the same cluster. Another kind of either is one
// more folder that passes cluster/clustertest.
package cluster
