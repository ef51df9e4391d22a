package engine

import "carillon/bench/stats"

// Precision of what is due.
const (
	// minGap is the shortest time between two looks, in ns: what is due within it
	// begins together. It bounds a loop to 5,000 looks a second.
	minGap = 200e3
	// lateTick is how late a look counts as dropped, in ns.
	lateTick = 10e6
)

// lateness records how late an operation of a scenario began that is not begun
// on a loop.
func (sc *scenario) lateness(due, now int64) {
	sc.count(due, func(t *stats.Totals) { t.Hist(stats.Lateness).Record(durationOf(now - due)) })
}
