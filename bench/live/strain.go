package live

import (
	"fmt"

	"carillon/bench/report"
)

const (
	// delayHigh is the client's own delay, at its p99 in milliseconds, from
	// which on the figures tell more about the client than a reader expects. A
	// tick of a pacer that is later than this counts as dropped.
	delayHigh = 10
	// cpuHigh is the share of its cores from which on a client has no reserve.
	cpuHigh = 0.9
)

// strain says what the client itself lacks at the moment; nothing when it is
// well.
func strain(c report.ClientProgress) []string {
	var all []string
	if c.Cores > 0 && c.CPU >= cpuHigh*float64(c.Cores) {
		all = append(all, fmt.Sprintf("the client uses %.0f %% of its cores", 100*c.CPU/float64(c.Cores)))
	}
	if c.LagP99 > delayHigh {
		all = append(all, fmt.Sprintf("the client's event loops lag: p99 %s", millis(c.LagP99)))
	}
	if c.LateP99 > delayHigh {
		all = append(all, fmt.Sprintf("the client sends late: p99 %s", millis(c.LateP99)))
	}
	if c.Dropped > 0 {
		all = append(all, fmt.Sprintf("the client gave up %s due operations", count(c.Dropped)))
	}
	return all
}
