// Package systemtest has tests of whole clusters: processes of the real binary
// over real Redis and RabbitMQ servers, with faults, and with clients that count.
package systemtest
