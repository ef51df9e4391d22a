package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

const (
	// spareProcs is how many goroutines can run beside the event loops. A loop
	// that comes back from waiting needs a free processor of Go's scheduler, and so
	// do HTTP requests and what comes from other nodes. Each spare one also costs:
	// whenever a loop runs dry a thread looks for work on it in vain. On two cores
	// with two loops, 10,000 sparse heartbeats a second cost 25 CPU s a million with
	// two spare ones, 17.5 with one and 16 without.
	spareProcs = 1
	// gcPercent trades a few per cent of CPU, since almost nothing is allocated, for
	// a tenth of the resident memory of an idle session.
	gcPercent = 50
)

// tuneRuntime sets up Go's runtime for event loops, unless the environment says
// otherwise by GOMAXPROCS or GOGC. It returns the number of loops: those asked
// for, or one a core.
func tuneRuntime(loops int) int {
	if loops == 0 {
		loops = runtime.GOMAXPROCS(0)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(loops + spareProcs)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	return loops
}
