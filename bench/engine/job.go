package engine

import (
	"net/netip"
	"time"

	"carillon/bench/plan"
	"carillon/bench/stats"
)

// Job is what one engine of a run is told before it starts.
type Job struct {
	Plan    *plan.Plan              `json:"plan"` // completed
	Run     uint32                  `json:"run"`  // told apart from other runs against the same server
	Worker  int                     `json:"worker"`
	Workers int                     `json:"workers"`
	Shares  []Share                 `json:"shares"` // one per scenario of the plan
	Sources []netip.Addr            `json:"sources,omitempty"`
	Pins    map[string][]netip.Addr `json:"pins,omitempty"` // addresses of the hosts of the plan
	Offset  time.Duration           `json:"offset_ns"`      // the coordinator's clock less ours
	Loops   int                     `json:"loops"`          // event loops; at least 1
	Version string                  `json:"version"`        // of carillon, for User-Agent
}

// Share is the part of a scenario that one engine has.
type Share struct {
	First   int  `json:"first"`   // index of its first connection in the scenario
	Count   int  `json:"count"`   // connections
	Publish bool `json:"publish"` // it publishes the scenario's broadcasts
}

// Stage is one period of traffic. All times are in nanoseconds of the
// coordinator's clock.
type Stage struct {
	Number int     `json:"number"` // from 0; at most 126
	At     int64   `json:"at"`     // traffic begins: warm-up
	From   int64   `json:"from"`   // the measured period begins
	To     int64   `json:"to"`     // the measured period and the traffic end
	Scale  float64 `json:"scale"`  // of every rate of the plan; 0 counts as 1
}

// Head is how far a publisher has come in a stage.
type Head struct {
	Published uint32 `json:"published"` // numbers given out in the measured period
	Failed    uint32 `json:"failed"`    // of them, those the server may not have taken
}

// Heads has the heads of a scenario's publishers, by publisher. Scenarios that
// do not broadcast have none.
type Heads [][]Head

// StormCycle is what one engine saw of one cycle of a storm.
type StormCycle struct {
	Scenario  int         `json:"scenario"`
	Cycle     int         `json:"cycle"`
	At        int64       `json:"at"` // when the connections were dropped
	Dropped   int64       `json:"dropped"`
	Back      int64       `json:"back"`
	Attempts  int64       `json:"attempts"`
	Failures  int64       `json:"failures"`
	Abandoned int64       `json:"abandoned"`
	Times     *stats.Hist `json:"times"`      // from the drop until a connection was back
	PerSecond []int64     `json:"per_second"` // connections that came back in each second
}

// SlowSeen is what one engine saw of a scenario's slow clients.
type SlowSeen struct {
	Scenario int                   `json:"scenario"`
	Clients  int64                 `json:"clients"`
	Read     int64                 `json:"read"`
	Closed   int64                 `json:"closed"`
	Causes   map[stats.Cause]int64 `json:"causes,omitempty"`
	Left     int64                 `json:"left"`
}
