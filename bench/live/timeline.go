package live

import "carillon/bench/report"

// maxMoments bounds what is kept of a run: its last quarter of an hour, second
// by second, and all before in ever coarser steps.
const maxMoments = 1800

// moment is what the charts show of one second, or of several put together.
type moment struct {
	T         float64              `json:"t"`
	Phase     string               `json:"phase"`
	Scenarios []report.Point       `json:"scenarios"` // in the order of the Progress
	Client    clientMoment         `json:"client"`
	Servers   []report.ServerPoint `json:"servers"`

	seq int64
}

type clientMoment struct {
	CPU  float64 `json:"cpu"`
	Late float64 `json:"late"`
	Lag  float64 `json:"lag"`
}

// timeline is a run so far.
type timeline struct {
	moments []moment
	seq     int64 // of the last moment, counted from 1
}

func (l *timeline) add(p *report.Progress) {
	l.seq++
	m := moment{
		T: p.Elapsed, Phase: p.Phase, seq: l.seq,
		Client: clientMoment{CPU: p.Client.CPU, Late: p.Client.LateP99, Lag: p.Client.LagP99},
	}
	for i := range p.Scenario {
		m.Scenarios = append(m.Scenarios, p.Scenario[i].Last)
	}
	for i := range p.Servers {
		m.Servers = append(m.Servers, p.Servers[i].Last)
	}
	if len(l.moments) == maxMoments {
		l.thin()
	}
	l.moments = append(l.moments, m)
}

// thin puts pairs of moments of the older half together.
func (l *timeline) thin() {
	half := len(l.moments) / 2
	kept := make([]moment, 0, maxMoments)
	for i := 0; i < half; {
		a := &l.moments[i]
		i++
		if i < half {
			if b := &l.moments[i]; a.Phase == b.Phase && len(a.Scenarios) == len(b.Scenarios) && len(a.Servers) == len(b.Servers) {
				kept = append(kept, join(a, b))
				i++
				continue
			}
		}
		kept = append(kept, *a)
	}
	// Phases that take turns would keep every moment.
	if len(kept) == half {
		kept = kept[:0]
		for i := 1; i < half; i += 2 {
			kept = append(kept, l.moments[i])
		}
	}
	l.moments = append(kept, l.moments[half:]...)
}

// since returns the moments after the one numbered seq. They are not changed
// any more.
func (l *timeline) since(seq int64) []moment {
	i := len(l.moments)
	for i > 0 && l.moments[i-1].seq > seq {
		i--
	}
	return l.moments[i:len(l.moments):len(l.moments)]
}

// join puts two moments together so that what stands out of either still does:
// rates are means, the higher percentiles the worse of the two, and levels are
// those at the end.
func join(a, b *moment) moment {
	m := moment{
		T: b.T, Phase: b.Phase, seq: b.seq,
		Scenarios: make([]report.Point, len(b.Scenarios)), Servers: make([]report.ServerPoint, len(b.Servers)),
		Client: clientMoment{CPU: mean(a.Client.CPU, b.Client.CPU), Late: max(a.Client.Late, b.Client.Late), Lag: max(a.Client.Lag, b.Client.Lag)},
	}
	for i := range m.Scenarios {
		m.Scenarios[i] = joinPoints(&a.Scenarios[i], &b.Scenarios[i])
	}
	for i := range m.Servers {
		m.Servers[i] = b.Servers[i]
		m.Servers[i].CPU = mean(a.Servers[i].CPU, b.Servers[i].CPU)
		m.Servers[i].RSS = max(a.Servers[i].RSS, b.Servers[i].RSS)
	}
	return m
}

func joinPoints(a, b *report.Point) report.Point {
	return report.Point{
		T: b.T, Phase: b.Phase, Open: b.Open,
		Connects: mean(a.Connects, b.Connects), Failures: mean(a.Failures, b.Failures),
		Arrivals: mean(a.Arrivals, b.Arrivals), Sent: mean(a.Sent, b.Sent),
		Received: mean(a.Received, b.Received), Published: mean(a.Published, b.Published),
		P50: meanOfAny(a.P50, b.P50), P99: max(a.P99, b.P99), Max: max(a.Max, b.Max),
	}
}

func mean(a, b float64) float64 { return (a + b) / 2 }

// meanOfAny leaves out a second in which nothing was measured.
func meanOfAny(a, b float64) float64 {
	if a == 0 || b == 0 {
		return a + b
	}
	return mean(a, b)
}
