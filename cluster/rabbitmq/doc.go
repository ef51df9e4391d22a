// Package rabbitmq is a [cluster.Bus] on RabbitMQ. It speaks the messages of the
// reference where its nodes have to understand them, and a compact form between
// carillon nodes; see cluster/wire.
//
// # Topology
//
// One direct, durable exchange, ws.exchange. Every node has one queue,
// ws.queue.<node>, and is its only consumer. A queue that is there already, as a
// node of the reference leaves it, is taken over as it stands; else it is declared
// so that it expires by itself after the node has died. Keys bound to it:
//
//	ws.broadcast    pushes for all nodes, in the reference's JSON
//	ws.carillon     operations for all carillon nodes
//	ws.node.<node>  operations for this node
//
// # Delivery
//
// Whatever is published goes through one outbox and one channel, in order, and
// stays in the outbox until the broker confirms it; after a reconnect it is sent
// again. Messages have an id, "<node>:<start>:<number>", by which receivers find
// those that came twice. Nodes of the reference do not look at it: they may get a
// message twice when a connection breaks between it and its confirm.
//
// A queue is consumed by one goroutine, which acknowledges after the handler. While
// the handler waits, the broker keeps what is beyond the prefetch.
//
// Publishing and consuming have a connection each, for the broker's flow control
// of publishers stops everything on a connection.
package rabbitmq
