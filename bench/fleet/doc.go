// Package fleet carries out a load run with as many processes and machines as
// it takes: it checks the plan's targets and this machine, starts workers here
// or through agents elsewhere, leads them through the phases of the run in step,
// adds up what they counted once a second, and makes the report.
//
// A worker is a process that runs one [engine.Engine]. [Work] is its main
// function; it is spoken to over its standard input and output, or, when an
// [Agent] of another machine has started it, over TCP.
package fleet
