// Package crowd puts very many connections on one machine, both ends of them:
// gateways in one real cluster over a Redis and a RabbitMQ of its own, and carillon
// bench as their clients. It is for commands that measure what a connection costs.
package crowd
