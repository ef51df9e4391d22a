// Package scaling is a model of a carillon cluster: what a load of clients and back
// ends costs its nodes, Redis and RabbitMQ, how long a broadcast takes to the last
// client, and which part breaks first when the cluster grows.
//
// It has three layers. [Costs] is the table of measured unit costs, each with its
// source. [Count] counts what a load makes the parts do: messages, copies, commands,
// exactly, so that a small cluster can be checked against it. [UseOf] multiplies the
// two. [Simulate] follows single broadcasts through queues and cores, event by event.
//
// Nothing here does I/O, has a clock, or knows the product's packages. The pages
// made of it are in docs/scaling.md.
package scaling
