package fleet

import (
	"runtime"

	"carillon/bench/engine"
	"carillon/bench/stats"
	"carillon/bench/watch"
)

// op is what the coordinator asks of a worker.
type op string

const (
	opClock      op = "clock"      // what time is it
	opJob        op = "job"        // start an engine, in the place of an earlier one
	opRamp       op = "ramp"       // open connections
	opState      op = "state"      // how far is the ramp
	opTraffic    op = "traffic"    // begin a stage
	opCut        op = "cut"        // end it early
	opHeads      op = "heads"      // how far are the publishers
	opSettle     op = "settle"     // wait for what is under way, count the rest as lost
	opCollect    op = "collect"    // what was counted since the last time
	opExtras     op = "extras"     // storms and slow clients
	opUsageFrom  op = "usage_from" // the measured period begins, at At
	opUsageTo    op = "usage_to"   // and ends
	opMemory     op = "memory"     // resident memory after a garbage collection
	opDisconnect op = "disconnect" // close all connections
	opClose      op = "close"      // end the engine
)

// Requests and replies are gob streams, one each way.

// request is one question, answered by one reply of the same number.
type request struct {
	N     int
	Op    op
	Job   *engine.Job
	At    int64 // coordinator's clock
	Want  []int
	Stage *engine.Stage
	Heads engine.Heads
}

// reply is the answer to a request.
type reply struct {
	N       int
	Error   string
	Now     int64 // clock: the worker's own
	Tried   int64
	Wanted  int64
	Samples []stats.Sample
	Lag     *stats.Hist
	Ticks   int64
	Dropped int64
	Heads   engine.Heads
	Storms  []engine.StormCycle
	Slow    []engine.SlowSeen
	Usage   *watch.SelfUsage
	RSS     int64
}

// cores is how many processors this process may use.
func cores() int { return runtime.NumCPU() }
