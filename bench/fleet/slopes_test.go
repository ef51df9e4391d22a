package fleet

import (
	"testing"

	"carillon/bench/report"
)

// Seconds in which nothing was answered have no latency: they neither make nor
// hide a slope.
func TestSlopesLeaveSilentSecondsOut(t *testing.T) {
	s := &report.Scenario{}
	for i := range 100 {
		p := report.Point{T: float64(i), Phase: string(measure)}
		if i%10 == 0 || i > 80 { // heartbeats of few clients, whose replies come together
			p.P99, p.Max = 5, 6
		}
		s.Series = append(s.Series, p)
	}
	if l := slopes(s, &stageResult{})[0]; l.What != "p99 latency" || l.PerHour != 0 || l.First != 5 || l.Last != 5 || l.Leak {
		t.Errorf("got %+v, want a level line", l)
	}
}
