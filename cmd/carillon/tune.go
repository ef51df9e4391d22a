package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// gcPercent is below Go's 100 because almost nothing is allocated but in storms of
// connects: it saves a sixth of the resident memory of idle sessions, and the CPU
// time of a storm with it and with 100 differs by less than from run to run. 25 has
// twice the collections in a storm for another twelfth. make gc measures them beside
// each other.
const gcPercent = 50

// processors is how many of Go's processors a gateway with so many event loops has.
// A loop keeps its own while it lingers for events, so that HTTP requests, what
// comes from other nodes and the collector need others. Too many cost as well: when
// a loop runs dry, threads look for work on them in vain. On two cores, sparse
// heartbeats cost two loops 6 % less with two spare ones than with one, and one loop
// 3 % less with one than with two.
func processors(loops int) int { return loops + 1 + loops/2 }

// tuneRuntime sets up Go's runtime for event loops, unless the environment says
// otherwise by GOMAXPROCS or GOGC. It returns the number of loops: those asked
// for, or one a core.
func tuneRuntime(loops int) int {
	if loops == 0 {
		loops = runtime.GOMAXPROCS(0)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(processors(loops))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	return loops
}
