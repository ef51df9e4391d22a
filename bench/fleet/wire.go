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

// request is one question, answered by one reply of the same number.
type request struct {
	N     int           `json:"n"`
	Op    op            `json:"op"`
	Job   *engine.Job   `json:"job,omitempty"`
	At    int64         `json:"at,omitempty"` // coordinator's clock
	Want  []int         `json:"want,omitempty"`
	Stage *engine.Stage `json:"stage,omitempty"`
	Heads engine.Heads  `json:"heads,omitempty"`
}

// reply is the answer to a request.
type reply struct {
	N       int                 `json:"n"`
	Error   string              `json:"error,omitempty"`
	Now     int64               `json:"now,omitempty"` // clock: the worker's own
	Tried   int64               `json:"tried,omitempty"`
	Wanted  int64               `json:"wanted,omitempty"`
	Samples []stats.Sample      `json:"samples,omitempty"`
	Lag     *stats.Hist         `json:"lag,omitempty"`
	Ticks   int64               `json:"ticks,omitempty"`
	Dropped int64               `json:"dropped,omitempty"`
	Heads   engine.Heads        `json:"heads,omitempty"`
	Storms  []engine.StormCycle `json:"storms,omitempty"`
	Slow    []engine.SlowSeen   `json:"slow,omitempty"`
	Usage   *watch.SelfUsage    `json:"usage,omitempty"`
	RSS     int64               `json:"rss,omitempty"`
}

// cores is how many processors this process may use.
func cores() int { return runtime.NumCPU() }
