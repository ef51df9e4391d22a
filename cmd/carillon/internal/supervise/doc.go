// Package supervise runs worker processes: it starts them, starts again those
// that die, ends them together, and passes on what they write without tearing it.
//
// A worker is told to drain by the end of its standard input. That happens by
// itself when the supervisor dies, in whatever way, so that no worker outlives it
// for longer than it takes to drain. It also leaves signals to the operator: a
// service manager that sends SIGTERM to every process of a unit does not end
// workers twice.
package supervise
