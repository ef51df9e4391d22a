package report

import (
	"cmp"
	"math"
	"slices"
	"time"

	"carillon/bench/stats"
)

// charts is what the page draws.
type charts struct {
	Scenarios []scenarioChart `json:"scenarios"`
	Servers   []seriesChart   `json:"servers"`
	Search    *searchChart    `json:"search"`
	Phases    []phase         `json:"phases"` // of the whole run, for the servers
}

// seriesChart is columns over time.
type seriesChart struct {
	ID      string                `json:"id"`
	Name    string                `json:"name"`
	T       []float64             `json:"t"`
	Columns map[string][]*float64 `json:"columns"` // null: nothing to show
}

type scenarioChart struct {
	seriesChart
	Phase      []string `json:"phase"`
	Latency    curves   `json:"latency"`
	Connecting curves   `json:"connecting"`
}

// curves are latencies over their percentiles.
type curves struct {
	Percents []float64 `json:"percents"`
	Series   []curve   `json:"series"`
}

type curve struct {
	Name   string     `json:"name"`
	Own    bool       `json:"own"` // the client's own fault
	Values []*float64 `json:"values"`
}

type searchChart struct {
	Of      string    `json:"of"`
	Reached []float64 `json:"reached"`
	P50     []float64 `json:"p50"`
	P99     []float64 `json:"p99"`
	Goal    float64   `json:"goal"` // ms; 0: the goal is not a latency
}

type phase struct {
	Name string  `json:"name"`
	From float64 `json:"from"`
	To   float64 `json:"to"`
}

// maxPoints bounds the points of a series: a chart has no more pixels, and a
// week of seconds is not for a browser.
const maxPoints = 1500

func chartsOf(r *Report) *charts {
	c := &charts{Scenarios: []scenarioChart{}, Servers: []seriesChart{}}
	sections := r.sections()
	for i := range r.Scenarios {
		c.Scenarios = append(c.Scenarios, chartOf(&r.Scenarios[i], sections[i].ID))
	}
	for i := range r.Servers {
		c.Servers = append(c.Servers, serverChart(&r.Servers[i], serverID(i)))
	}
	if r.Search != nil && len(r.Search.Steps) > 0 {
		c.Search = searchChartOf(r.Search)
	}
	if len(r.Scenarios) > 0 {
		c.Phases = phasesOf(r.Scenarios[0].Series)
	}
	return c
}

// shown is a value for a chart; nil, a gap, when there is nothing to show.
func shown(v float64, there bool) *float64 {
	if !there || math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	v = roundTo(v, 5)
	return &v
}

// roundTo keeps some significant digits, for a page of half the size.
func roundTo(v float64, digits int) float64 {
	scale := math.Pow(10, float64(digits)-math.Ceil(math.Log10(math.Abs(v))))
	if v == 0 || math.IsInf(scale, 0) || scale == 0 {
		return v
	}
	return math.Round(v*scale) / scale
}

func chartOf(s *Scenario, id string) scenarioChart {
	c := scenarioChart{
		seriesChart: seriesChart{ID: id, Name: plain(s.Name), T: []float64{}, Columns: map[string][]*float64{}},
		Latency:     curvesOf(s, stats.Latency, stats.Publish, stats.Lateness),
		Connecting:  curvesOf(s, stats.Connect, stats.TCP, stats.TLS, stats.Upgrade, stats.FirstMessage),
		Phase:       []string{},
	}
	for _, p := range thin(s.Series, maxPoints) {
		c.T, c.Phase = append(c.T, p.T), append(c.Phase, plain(p.Phase))
		for name, v := range map[string]float64{
			"open": float64(p.Open), "connects": p.Connects, "failures": p.Failures, "arrivals": p.Arrivals,
			"sent": p.Sent, "received": p.Received, "published": p.Published,
		} {
			c.Columns[name] = append(c.Columns[name], shown(v, true))
		}
		for name, v := range map[string]float64{"p50": p.P50, "p99": p.P99, "max": p.Max} {
			c.Columns[name] = append(c.Columns[name], shown(v, p.Max > 0))
		}
	}
	return c
}

// thin joins neighbouring points until there are at most limit: rates become
// means, failures and latencies the worst. Points of two phases are not joined,
// so that there may be a few more.
func thin(points []Point, limit int) []Point {
	size := (len(points) + limit - 1) / limit
	if size <= 1 {
		return points
	}
	var all []Point
	for i := 0; i < len(points); {
		p, n := points[i], 1
		for i++; i < len(points) && n < size && points[i].Phase == p.Phase; i++ {
			q := points[i]
			n++
			q.Failures = max(p.Failures, q.Failures)
			q.P50, q.P99, q.Max = max(p.P50, q.P50), max(p.P99, q.P99), max(p.Max, q.Max)
			mean := func(sum, next float64) float64 { return sum + (next-sum)/float64(n) }
			q.Connects, q.Arrivals = mean(p.Connects, q.Connects), mean(p.Arrivals, q.Arrivals)
			q.Sent, q.Received, q.Published = mean(p.Sent, q.Sent), mean(p.Received, q.Received), mean(p.Published, q.Published)
			p = q
		}
		all = append(all, p)
	}
	return all
}

// percents are the x values of the percentile curves: as many between 90 and 99
// as between 99 and 99.9.
var percents = func() []float64 {
	var all []float64
	for x := -math.Log10(.5); x < 5.0001; x += .05 {
		all = append(all, 100*(1-math.Pow(10, -x)))
	}
	return append(all, 99.999)
}()

// curvesOf are the curves of metrics, as far as their counts can tell
// percentiles apart: one in ten has no p99.
func curvesOf(s *Scenario, metrics ...stats.Metric) curves {
	c := curves{Percents: []float64{}, Series: []curve{}}
	var most int64
	for _, m := range metrics {
		h := s.Measured.Hists[m]
		if h.Count() == 0 {
			h = s.Setup.Hists[m]
		}
		if h.Count() == 0 {
			continue
		}
		most = max(most, h.Count())
		line := curve{Name: metricTitles[m], Own: m == stats.Lateness}
		for _, p := range percents {
			known := p <= resolution(h.Count())
			line.Values = append(line.Values, shown(float64(h.Quantile(p/100))/float64(time.Millisecond), known))
		}
		c.Series = append(c.Series, line)
	}
	for _, p := range percents {
		if p <= resolution(most) {
			c.Percents = append(c.Percents, p)
		}
	}
	for i := range c.Series {
		c.Series[i].Values = c.Series[i].Values[:len(c.Percents)]
	}
	return c
}

// resolution is the highest percentile of n values that is not their maximum;
// at least p90, so that there is a curve.
func resolution(n int64) float64 {
	return max(90.0001, 100*(1-1/float64(max(n, 1)))+1e-9)
}

func serverChart(s *Server, id string) seriesChart {
	c := seriesChart{ID: id, Name: plain(s.Source), T: []float64{}, Columns: map[string][]*float64{"cpu": {}, "rss": {}, "pss": {}}}
	step := (len(s.Series) + maxPoints - 1) / maxPoints
	for i := 0; i < len(s.Series); i += step {
		p := s.Series[i]
		for _, q := range s.Series[i:min(i+step, len(s.Series))] {
			p.T, p.CPU, p.RSS, p.PSS = q.T, max(p.CPU, q.CPU), max(p.RSS, q.RSS), max(p.PSS, q.PSS)
		}
		c.T = append(c.T, p.T)
		c.Columns["cpu"] = append(c.Columns["cpu"], shown(p.CPU, true))
		c.Columns["rss"] = append(c.Columns["rss"], shown(float64(p.RSS), p.RSS > 0))
		c.Columns["pss"] = append(c.Columns["pss"], shown(float64(p.PSS), p.PSS > 0))
	}
	return c
}

func searchChartOf(s *Search) *searchChart {
	c := &searchChart{Of: plain(s.Of)}
	steps := slices.Clone(s.Steps)
	slices.SortStableFunc(steps, func(a, b Step) int { return cmp.Compare(a.Reached, b.Reached) })
	for _, step := range steps {
		c.Reached, c.P50, c.P99 = append(c.Reached, step.Reached), append(c.P50, step.P50), append(c.P99, step.P99)
	}
	if goal, err := ParseCheck(s.Goal); err == nil && goal.quantity.dimension() == duration {
		c.Goal = goal.value * goal.unit.factor
	}
	return c
}

// phasesOf finds where the phases of a series begin and end.
func phasesOf(points []Point) []phase {
	var all []phase
	last := 0.
	for _, p := range points {
		if n := len(all); n > 0 && all[n-1].Name == plain(p.Phase) {
			all[n-1].To = p.T
		} else {
			all = append(all, phase{plain(p.Phase), last, p.T})
		}
		last = p.T
	}
	return all
}
