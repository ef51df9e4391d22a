// Package processtest has tests of serve --processes: the real binary, with its
// workers, over a real Redis and a real RabbitMQ.
package processtest
