package live

import (
	"fmt"
	"slices"
	"strings"

	"carillon/bench/report"
)

const (
	labelWidth   = 13
	numberWidth  = 9
	percentWidth = 9
)

// uses says which rates a kind of scenario has.
var uses = map[string][]string{
	"connect":   nil,
	"heartbeat": {"sent", "received"},
	"echo":      {"sent", "received"},
	"churn":     {"sent", "received"},
	"storm":     {"sent", "received"},
	"soak":      {"sent", "received"},
	"broadcast": {"published", "received"},
	"push":      {"published", "received"},
	"slow":      {"published", "received"},
}

// flow is one rate of a scenario.
type flow struct {
	name  string
	rate  float64
	total int64
	past  series
}

// flows are the rates that a scenario's kind has, and any that is not 0 all
// the same.
func (v *view) flows(s *report.ScenarioProgress) []flow {
	t := v.history.of(s.Name)
	all := []flow{
		{"published", s.Last.Published, s.Published, t.published},
		{"sent", s.Last.Sent, s.Sent, t.sent},
		{"received", s.Last.Received, s.Received, t.received},
	}
	used, known := uses[s.Kind]
	return slices.DeleteFunc(all, func(f flow) bool {
		return known && f.total == 0 && !slices.Contains(used, f.name)
	})
}

// title names a scenario, with its kind when that is not its name.
func (v *view) title(s *report.ScenarioProgress) []cell {
	cells := []cell{{text: clean(s.Name), style: v.bold}}
	if s.Kind != s.Name {
		cells = append(cells, cell{text: clean(s.Kind), style: v.faint, rank: 4})
	}
	return cells
}

// block is everything about a scenario.
func (v *view) block(s *report.ScenarioProgress, causes int) []string {
	rows := []string{render(v.width, v.title(s)...)}
	t := v.history.of(s.Name)
	rows = append(rows, render(v.width,
		v.label("connections"),
		cell{text: right(count(s.Last.Open), numberWidth) + " of " + count(s.Wanted)},
		cell{text: fmt.Sprintf("%s/s", signed(s.Last.Connects)), rank: 2},
		v.bad0(s.ConnectFailed, "failed", 0),
		v.bad0(s.Closed, "closed", 1),
		v.graph(t.open)))
	for _, f := range v.flows(s) {
		rows = append(rows, render(v.width,
			v.label(f.name),
			cell{text: right(count(int64(f.rate+0.5)), numberWidth) + "/s", style: v.plain},
			v.graph(f.past),
			cell{text: right(count(f.total), numberWidth) + " in all", style: v.faint, rank: 1}))
	}
	rows = append(rows, v.latencies(s, t)...)
	return append(rows, v.faults(s, causes)...)
}

func (v *view) latencies(s *report.ScenarioProgress, t *track) []string {
	columns := func(texts ...string) string {
		var b strings.Builder
		for _, text := range texts {
			b.WriteString(right(text, percentWidth))
		}
		return b.String()
	}
	l := s.Latency
	measured, samples := columns("–", "–", "–", "–"), "nothing measured yet"
	if l.Count > 0 {
		measured = columns(number(l.P50), number(l.P99), number(l.P999), number(l.Max))
		samples = count(l.Count) + " measured"
	}
	last := columns("–", "–", "–", "–")
	if s.Last.Max > 0 {
		last = columns(number(s.Last.P50), number(s.Last.P99), "–", number(s.Last.Max))
	}
	return []string{
		render(v.width, v.label("latency ms"), cell{text: columns("p50", "p99", "p99.9", "max"), style: v.faint}),
		render(v.width, v.label("  all so far"), cell{text: measured, style: v.bold}, cell{text: samples, style: v.faint, rank: 1}),
		render(v.width, v.label("  last second"), cell{text: last}, v.graph(t.p99)),
	}
}

func (v *view) faults(s *report.ScenarioProgress, most int) []string {
	style, text := v.good, "none"
	if s.Faults > 0 {
		style, text = v.bad, count(s.Faults)
	}
	first := []cell{v.label("faults"), {text: right(text, numberWidth), style: style}}
	causes := s.TopCauses
	if most <= 1 {
		if len(causes) > 0 {
			first = append(first, cell{text: causeTexts(causes), style: v.warn})
		}
		return []string{render(v.width, first...)}
	}
	rows := []string{render(v.width, first...)}
	for _, c := range causes[:min(len(causes), most)] {
		rows = append(rows, render(v.width, v.label(""), cell{text: right(count(c.Count), numberWidth), style: v.warn}, cell{text: clean(c.Text)}))
	}
	return rows
}

func causeTexts(causes []report.Cause) string {
	texts := make([]string, len(causes))
	for i, c := range causes {
		texts[i] = count(c.Count) + " × " + clean(c.Text)
	}
	return strings.Join(texts, ", ")
}

// summary is a scenario in a few rows that also suit a narrow screen.
func (v *view) summary(s *report.ScenarioProgress) []string {
	head := append(v.title(s),
		cell{text: count(s.Last.Open) + "/" + count(s.Wanted)},
		cell{text: signed(s.Last.Connects) + "/s", rank: 3},
		v.bad0(s.ConnectFailed, "failed", 1),
		v.bad0(s.Closed, "closed", 2))
	rows := []string{render(v.width, head...)}
	var flows []cell
	for _, f := range v.flows(s) {
		flows = append(flows, cell{text: f.name + " " + right(short(f.rate)+"/s", 7)})
	}
	if len(flows) > 0 {
		t := v.history.of(s.Name)
		rows = append(rows, v.indented(append(flows, v.graph(t.received))...))
	}
	l := s.Latency
	cells := []cell{{text: "no latency measured yet", style: v.faint}}
	if l.Count > 0 {
		cells = []cell{
			{text: "ms"},
			{text: "p50 " + number(l.P50), rank: 2},
			{text: "p99 " + number(l.P99), style: v.bold},
			{text: "p99.9 " + number(l.P999), rank: 3},
			{text: "max " + number(l.Max), rank: 1},
			{text: "last p99 " + number(s.Last.P99), rank: 4},
		}
	}
	rows = append(rows, v.indented(cells...))
	if s.Faults > 0 || len(s.TopCauses) > 0 {
		rows = append(rows, v.indented(v.bad0(s.Faults, "faults", 0), cell{text: causeTexts(s.TopCauses), style: v.warn}))
	}
	return rows
}

func (v *view) indented(cells ...cell) string { return " " + render(v.width-1, cells...) }

// table has one row for each scenario.
func (v *view) table(first, n int) []string {
	all := v.p.Scenario
	name := 8
	for i := range all {
		name = max(name, len([]rune(all[i].Name)))
	}
	name = min(name, max(v.width/4, 8))
	line := func(label string, style style, values [7]string, bad style) string {
		return render(v.width,
			cell{text: left(cut(label, name), name), style: style},
			cell{text: right(values[0], numberWidth), style: style, rank: 3},
			cell{text: right(values[1], 7), style: style, rank: 5},
			cell{text: right(values[2], 7), style: style, rank: 2},
			cell{text: right(values[3], 7), style: style, rank: 4},
			cell{text: right(values[4], 7), style: style, rank: 1},
			cell{text: right(values[5], 7), style: style, rank: 6},
			cell{text: right(values[6], 6), style: bad})
	}
	rest := len(all) - n
	label := "scenario"
	if rest > 0 {
		label = fmt.Sprintf("%d of %d ↑↓", n, len(all))
	}
	rows := []string{line(label, v.faint, [7]string{"open", "sent/s", "recv/s", "p50 ms", "p99 ms", "max ms", "faults"}, v.faint)}
	for i := first; i < first+n; i++ {
		s := &all[i]
		bad := v.plain
		if s.Faults > 0 {
			bad = v.bad
		}
		rows = append(rows, line(clean(s.Name), v.plain, [7]string{
			count(s.Last.Open), short(max(s.Last.Sent, s.Last.Published)), short(s.Last.Received),
			number(s.Latency.P50), number(s.Latency.P99), number(s.Latency.Max), short(float64(s.Faults)),
		}, bad))
	}
	return rows
}
