package live

import (
	"testing"

	"carillon/bench/report"
)

// A long run takes no more memory than an hour's, and what stands out stays.
func TestTimelineIsBounded(t *testing.T) {
	var l timeline
	const last = 24 * 3600
	const stall = 4711
	for n := 1; n <= last; n++ {
		p := report.Progress{
			Elapsed: float64(n), Phase: "measure",
			Scenario: []report.ScenarioProgress{{Last: report.Point{T: float64(n), Sent: 100, P50: 1, P99: 2, Max: 3, Open: 10}}},
			Servers:  []report.ServerProgress{{Last: report.ServerPoint{CPU: 1, RSS: 5}}},
		}
		if n == stall {
			p.Scenario[0].Last.P99, p.Scenario[0].Last.Max = 200, 250
		}
		l.add(&p)
		if len(l.moments) > maxMoments || cap(l.moments) > 2*maxMoments {
			t.Fatalf("%d moments of room for %d after %d seconds", len(l.moments), cap(l.moments), n)
		}
	}
	var worst float64
	for i, m := range l.moments {
		if i > 0 && m.T <= l.moments[i-1].T {
			t.Fatalf("moment %d at %v after %v", i, m.T, l.moments[i-1].T)
		}
		worst = max(worst, m.Scenarios[0].Max)
		if s := m.Scenarios[0]; s.Sent != 100 || s.P50 != 1 || s.Open != 10 || m.Servers[0].CPU != 1 {
			t.Fatalf("moment %d: %+v", i, m)
		}
	}
	if worst != 250 {
		t.Errorf("the stall became %v ms", worst)
	}
	for i := range maxMoments / 2 {
		if got, want := l.moments[len(l.moments)-1-i].T, float64(last-i); got != want {
			t.Fatalf("moment %d before the last is of second %v, want %v", i, got, want)
		}
	}
}

// Phases that take turns cannot be put together; the bound holds all the same.
func TestTimelineOfManyPhases(t *testing.T) {
	var l timeline
	for n := range 10 * maxMoments {
		l.add(&report.Progress{Elapsed: float64(n), Phase: []string{"connect", "measure"}[n%2]})
	}
	if len(l.moments) > maxMoments {
		t.Errorf("%d moments", len(l.moments))
	}
}

func TestJoin(t *testing.T) {
	a := moment{T: 1, Phase: "measure", Scenarios: []report.Point{{Open: 1, Sent: 10, P50: 0, P99: 9, Max: 10, Failures: 2}}, Client: clientMoment{CPU: 1, Late: 5, Lag: 1}}
	b := moment{T: 2, Phase: "measure", Scenarios: []report.Point{{Open: 3, Sent: 30, P50: 4, P99: 5, Max: 20}}, Client: clientMoment{CPU: 3, Late: 1, Lag: 7}, seq: 9}
	m := join(&a, &b)
	if want := (report.Point{Open: 3, Sent: 20, P50: 4, P99: 9, Max: 20, Failures: 1}); m.Scenarios[0] != want {
		t.Errorf("got %+v, want %+v", m.Scenarios[0], want)
	}
	if want := (clientMoment{CPU: 2, Late: 5, Lag: 7}); m.Client != want || m.seq != 9 || m.T != 2 {
		t.Errorf("got %+v", m)
	}
}
