package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"carillon/bench/stats"
)

func scenarioSection(s *Scenario, i int) section {
	v := section{ID: fmt.Sprintf("scenario-%d", i), Title: s.Name}
	if s.Name != s.Kind {
		v.Title += ": " + s.Kind
	}
	load := s.Model + " model"
	if s.Model == "" {
		load = none
	}
	if s.Rate > 0 {
		load += ", " + each(s.Rate) + " asked"
	}
	v.fact("target", s.Target)
	v.fact("load", load)
	v.fact("connections", grouped(s.Connections))
	v.fact("measured", inSeconds(s.Seconds))
	v.add(latencyTable(s, "Latency", []stats.Metric{stats.Latency, stats.Publish, stats.Lateness, stats.LoopLag}))
	v.add(throughputTable(s))
	v.add(deliveryTable(s))
	v.add(connectionTable(s))
	v.add(latencyTable(s, "Connecting", []stats.Metric{stats.TCP, stats.TLS, stats.Upgrade, stats.FirstMessage, stats.Connect}))
	v.add(causeTable(s))
	v.add(stormTable(s.Storms))
	if s.Slow != nil {
		v.add(slowTable(s.Slow))
	}
	v.add(leakTable(s.Leak))
	return v
}

// metricTitles are the metrics in words.
var metricTitles = map[stats.Metric]string{
	stats.Latency: "latency", stats.TCP: "TCP", stats.TLS: "TLS", stats.Upgrade: "upgrade", stats.FirstMessage: "first message",
	stats.Connect: "all of it", stats.Publish: "publish", stats.Lateness: "client late", stats.LoopLag: "client's loop",
}

func latencyTable(s *Scenario, title string, metrics []stats.Metric) table {
	t := table{Title: title, Columns: append([]column{{Name: "", Words: true}}, latencyColumns()...)}
	for _, m := range metrics {
		if l, ok := s.Latency[m]; ok && l.Count > 0 {
			t.Rows = append(t.Rows, row{Cells: append([]string{metricTitles[m]}, latencyCells(l)...)})
		}
	}
	return t
}

func latencyColumns() []column {
	columns := figureColumns("p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "max", "mean", "min", "count")
	for extra, name := range []string{"p95", "count", "mean", "p75", "min"} {
		columns[slices.IndexFunc(columns, func(c column) bool { return c.Name == name })].Extra = extra + 1
	}
	return columns
}

func latencyCells(l Latency) []string {
	var cells []string
	for _, v := range []float64{l.P50, l.P75, l.P90, l.P95, l.P99, l.P999, l.P9999, l.Max, l.Mean, l.Min} {
		cells = append(cells, millis(v))
	}
	return append(cells, grouped(l.Count))
}

func throughputTable(s *Scenario) table {
	c := &s.Measured.Counts
	t := table{Title: "Throughput", Columns: append([]column{{Words: true}}, figureColumns("messages", "rate", "bytes", "bytes/s")...)}
	per := func(n int64) float64 {
		if s.Seconds <= 0 {
			return 0
		}
		return float64(n) / s.Seconds
	}
	line := func(name string, n, size int64, m mood) {
		if n == 0 {
			return
		}
		cells := []string{name, grouped(n), each(per(n)), none, none}
		if size > 0 {
			cells[3], cells[4] = inBytes(float64(size)), inBytes(per(size))+"/s"
		}
		t.Rows = append(t.Rows, row{cells, m})
	}
	line("due", c.Arrivals, 0, neutral)
	line("sent", c.Sent, c.SentBytes, neutral)
	line("published", c.Published, 0, neutral)
	line("received", c.Received, c.ReceivedBytes, neutral)
	line("not published", c.PublishFailed, 0, bad)
	line("refused: full sockets, or no connection left or free", c.Refused, 0, bad)
	line("given up by the client", c.Dropped, 0, warning)
	return t
}

func deliveryTable(s *Scenario) table {
	c, rest := &s.Measured.Counts, &s.Setup.Counts
	t := table{Title: "Delivery", Columns: append([]column{{Words: true}}, figureColumns("messages", "share")...)}
	lines := []struct {
		name    string
		n, rest int64
		mood    mood
	}{
		{"expected", c.Expected, rest.Expected, neutral},
		{"ok", c.OK, rest.OK, neutral},
		{"lost", c.Lost, rest.Lost, bad},
		{"of these late", c.Late, rest.Late, bad},
		{"cut off", c.Cut, rest.Cut, bad},
		{"duplicate", c.Duplicate, rest.Duplicate, bad},
		{"out of order", c.OutOfOrder, rest.OutOfOrder, bad},
		{"wrong", c.Wrong, rest.Wrong, bad},
		{"unexpected", c.Unexpected, rest.Unexpected, warning},
	}
	outside := false
	some := false
	for _, l := range lines {
		some = some || l.n > 0 || l.rest > 0
		outside = outside || l.mood != neutral && l.rest > 0
	}
	if !some {
		return t
	}
	if outside {
		t.Columns = append(t.Columns, column{Name: "besides, unmeasured"})
	}
	for _, l := range lines {
		r := row{Cells: []string{l.name, grouped(l.n), shareOfTotal(l.n, c.Expected)}}
		if l.name == "expected" {
			r.Cells[2] = ""
		}
		if outside {
			r.Cells = append(r.Cells, grouped(l.rest))
		}
		if l.n > 0 || l.rest > 0 {
			r.Mood = l.mood
		}
		t.Rows = append(t.Rows, r)
	}
	return t
}

func connectionTable(s *Scenario) table {
	t := table{Title: "Connections", Columns: append([]column{{Words: true}},
		figureColumns("attempts", "upgraded", "failed", "closed on us", "left", "data with 101")...)}
	for _, p := range []struct {
		name string
		c    *stats.Counts
	}{{"setup", &s.Setup.Counts}, {"measured", &s.Measured.Counts}} {
		c := p.c
		if c.Connects == 0 && c.Closed == 0 && c.Left == 0 && c.FirstSegment == 0 {
			continue
		}
		r := row{Cells: []string{p.name}}
		for _, n := range []int64{c.Connects, c.Connected, c.ConnectFailed, c.Closed, c.Left, c.FirstSegment} {
			r.Cells = append(r.Cells, grouped(n))
		}
		if c.ConnectFailed > 0 || c.Closed > 0 {
			r.Mood = bad
		}
		t.Rows = append(t.Rows, r)
	}
	return t
}

// shownCauses bounds the causes that are listed; the JSON report has all.
const shownCauses = 20

func causeTable(s *Scenario) table {
	all := make(map[stats.Cause]int64)
	for _, totals := range []*stats.Totals{&s.Measured, &s.Setup} {
		for cause, n := range totals.Causes {
			all[cause] += n
		}
	}
	t := table{Title: "Causes of failures", Columns: []column{{Name: "what", Words: true}, {Name: "count"}, {Name: "cause", Words: true}}}
	for _, cause := range byCount(all) {
		kind := strings.ReplaceAll(string(cause.Kind), "_", " ")
		t.Rows = append(t.Rows, row{Cells: []string{kind, grouped(all[cause]), cause.Text}})
	}
	if more := len(t.Rows) - shownCauses; more > 0 {
		t.Rows = t.Rows[:shownCauses]
		t.Note = fmt.Sprintf("and %d more causes", more)
	}
	return t
}

// byCount sorts causes, the most frequent first.
func byCount(causes map[stats.Cause]int64) []stats.Cause {
	var all []stats.Cause
	for c := range causes {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b stats.Cause) int {
		return cmp.Or(cmp.Compare(causes[b], causes[a]), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Text, b.Text))
	})
	return all
}

func stormTable(storms []Storm) table {
	t := table{Title: "Storms", Columns: append(figureColumns("at", "dropped", "back", "half back", "99 % back", "all back", "attempts", "failures", "abandoned", "peak"),
		column{Name: "backoff", Words: true, Extra: 1})}
	t.Columns[6].Extra, t.Columns[9].Extra = 3, 2
	back := func(s float64) string {
		if s == 0 {
			return "never"
		}
		return inSeconds(s)
	}
	for _, s := range storms {
		r := row{Cells: []string{
			inSeconds(s.T), grouped(s.Dropped), grouped(s.Back), back(s.Half), back(s.P99), back(s.All),
			grouped(s.Attempts), grouped(s.Failures), grouped(s.Abandoned), each(s.PeakRate), s.Backoff,
		}}
		if s.Abandoned > 0 {
			r.Mood = bad
		}
		t.Rows = append(t.Rows, r)
	}
	return t
}

func slowTable(s *Slow) table {
	reads := "not at all"
	if s.Rate > 0 {
		reads = inBytes(s.Rate) + "/s each"
	}
	t := table{Title: "Slow clients", Columns: []column{{Name: "clients"}, {Name: "they read"}, {Name: "read in all"}, {Name: "closed"}, {Name: "left"}}}
	t.Rows = []row{{Cells: []string{grouped(s.Clients), reads, inBytes(float64(s.Read)), grouped(s.Closed), grouped(s.Left)}}}
	var causes []string
	for _, c := range byCount(s.Causes) {
		causes = append(causes, fmt.Sprintf("%s × %s", grouped(s.Causes[c]), c.Text))
	}
	t.Note = strings.Join(causes, ", ")
	return t
}

func leakTable(slopes []Slope) table {
	t := table{Title: "Growth", Columns: []column{
		{Name: "of", Words: true}, {Name: "per hour"}, {Name: "95 % interval"}, {Name: "first"}, {Name: "last"}, {Name: "samples", Extra: 1}, {Name: "", Words: true},
	}}
	for _, s := range slopes {
		r := row{Cells: []string{
			s.What, digits3(s.PerHour) + " " + s.Unit, digits3(s.Low) + " to " + digits3(s.High),
			digits3(s.First), digits3(s.Last), grouped(int64(s.Samples)), "within noise",
		}, Mood: faint}
		if s.Leak {
			r.Cells[6], r.Mood = "LEAK", bad
		}
		t.Rows = append(t.Rows, r)
	}
	return t
}
