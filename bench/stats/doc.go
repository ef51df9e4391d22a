// Package stats holds what a load run counts and how it is added up: latency
// histograms, counters, causes of failure, and the samples in which a load
// generator reports them once a second.
//
// Everything here can be merged: over event loops, processes and machines, in
// any order, with the same result. Nothing is safe for concurrent use; each
// event loop owns its own and hands copies out.
package stats
