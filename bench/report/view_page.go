package report

import "carillon/bench/stats"

// headline has the figures of a scenario that everybody looks for first.
func headline(s *Scenario) []fact {
	var all []fact
	add := func(name, value string, m mood) { all = append(all, fact{Name: name, Value: value, Mood: m}) }
	m := stats.Latency
	if s.Latency[m].Count == 0 {
		m = stats.Connect
	}
	if l := s.Latency[m]; l.Count > 0 {
		name := metricTitles[m]
		if m == stats.Connect {
			name = "connect"
		}
		add(name+" p50", millis(l.P50), neutral)
		add(name+" p99", millis(l.P99), neutral)
		add(name+" max", millis(l.Max), neutral)
	}
	c, rest := &s.Measured.Counts, &s.Setup.Counts
	if s.Seconds > 0 {
		if c.Received > 0 {
			add("received", each(float64(c.Received)/s.Seconds), neutral)
		} else if c.Connected > 0 {
			add("connected", each(float64(c.Connected)/s.Seconds), neutral)
		}
	}
	worst := func(n int64, m mood) mood {
		if n > 0 {
			return m
		}
		return good
	}
	if c.Expected+rest.Expected > 0 {
		faults := c.Lost + c.Cut + c.Duplicate + c.OutOfOrder + c.Wrong
		add("faults", grouped(faults), worst(faults, bad))
	}
	failures := c.ConnectFailed + c.Closed + c.PublishFailed + rest.ConnectFailed + rest.Closed + rest.PublishFailed
	add("failures", grouped(failures), worst(failures, bad))
	return all
}

// tableRows bounds the table of a series; the JSON report has all points.
const tableRows = 120

// seriesTable has the figures of the charts over time.
func seriesTable(s *Scenario) table {
	t := table{Title: "Figures over time", Columns: append([]column{{Name: "until"}, {Name: "phase", Words: true}},
		figureColumns("open", "connects", "failures", "due", "sent", "received", "published", "p50", "p99", "max")...)}
	for _, p := range thin(s.Series, tableRows) {
		r := row{Cells: []string{inSeconds(p.T), plain(p.Phase), grouped(p.Open)}}
		for _, v := range []float64{p.Connects, p.Failures, p.Arrivals, p.Sent, p.Received, p.Published} {
			r.Cells = append(r.Cells, each(v))
		}
		for _, v := range []float64{p.P50, p.P99, p.Max} {
			if p.Max > 0 {
				r.Cells = append(r.Cells, millis(v))
			} else {
				r.Cells = append(r.Cells, none)
			}
		}
		if p.Failures > 0 {
			r.Mood = warning
		}
		t.Rows = append(t.Rows, r)
	}
	return t
}
