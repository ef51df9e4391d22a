package fleet

import (
	"runtime"
	"strings"

	"carillon/bench/engine"
	"carillon/bench/plan"
)

// fewPublishes is how many publishes a second leave the loops as good as alone.
const fewPublishes = 100

// loopsAlone tells whether only event loops work while a job has traffic: nobody
// connects, publishes much, or reads TLS.
func loopsAlone(j *engine.Job) bool {
	for i := range j.Plan.Scenarios {
		s := &j.Plan.Scenarios[i]
		switch s.Kind {
		case plan.Connect, plan.Storm, plan.Churn, plan.Push:
			return false
		}
		if s.Publish != nil && j.Shares[i].Publish && s.OpsRate() > fewPublishes || strings.HasPrefix(s.URL, "wss:") {
			return false
		}
	}
	return true
}

// processors gives the scheduler what a phase needs. Whenever a loop runs out of
// events it yields, and the scheduler then wakes a thread for every idle
// processor, which finds nothing to do: with sparse messages that is a third of
// the CPU time of a worker. So there is none to spare while only loops work.
func (w *worker) processors(o op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.loops + 2
	switch o {
	case opRamp, opDisconnect:
	case opTraffic:
		if w.alone {
			n = w.loops
		}
	default:
		return // as before
	}
	if runtime.GOMAXPROCS(0) != n {
		runtime.GOMAXPROCS(n)
	}
}
