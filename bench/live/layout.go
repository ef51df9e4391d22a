package live

import (
	"fmt"
	"time"

	"carillon/bench/report"
)

// view is what a screen shows, and how much room it has.
type view struct {
	styles
	p       report.Progress
	history *history
	silent  time.Duration // since the state came
	presses int           // of q or Ctrl-C
	scroll  int           // scenarios left out at the top, when not all fit
	width   int
	height  int
}

// detail is how much is said of a scenario.
type detail int

const (
	full    detail = iota // a block with graphs
	compact               // a few rows
	single                // one row of a table
)

// leastRows is how many rows a scenario takes at least.
var leastRows = [...]int{full: 6, compact: 2, single: 1}

// density is how a screen spends its rows.
type density struct {
	detail
	gaps                      bool // empty rows between parts
	client                    bool
	causes, servers, warnings int // at most
}

// densities, from roomy to tight: the first that fits is taken.
var densities = []density{
	{full, true, true, 5, 8, 8},
	{full, true, true, 1, 2, 2},
	{full, false, true, 1, 1, 1},
	{compact, true, true, 1, 2, 2},
	{compact, false, true, 1, 1, 1},
	{single, true, true, 0, 2, 2},
	{single, false, true, 0, 1, 1},
	{single, false, false, 0, 0, 0},
}

// fewest is how many scenarios are seen at least when not all are, as long as
// something else can go.
const fewest = 4

// render returns height rows of at most width cells.
func (v *view) render() []string {
	all := len(v.p.Scenario)
	for _, d := range densities {
		if leastRows[d.detail]*all > v.height {
			continue // not worth the drawing
		}
		if rows, used := v.compose(d, 0, all); used <= v.height {
			return rows
		}
	}
	// Not all scenarios fit: a window of the table.
	last := len(densities) - 1
	for _, d := range densities[last-1:] {
		_, others := v.compose(d, 0, 0)
		n := min(v.height-others, all)
		if n >= fewest {
			rows, _ := v.compose(d, min(v.scroll, all-n), n)
			return rows
		}
	}
	_, others := v.compose(densities[last], 0, 0)
	n := max(v.height-others, 0)
	rows, _ := v.compose(densities[last], min(v.scroll, all-n), n)
	return rows[:v.height]
}

// compose lays the screen out with n scenarios from first on. It returns at
// least height rows, the last for the keys, and how many of them are in use.
func (v *view) compose(d density, first, n int) (_ []string, used int) {
	rows := v.head()
	part := func(more []string) {
		if d.gaps && len(more) > 0 {
			rows = append(rows, "")
		}
		rows = append(rows, more...)
	}
	if d.detail == single {
		part(v.table(first, n))
	} else {
		for i := range v.p.Scenario[first : first+n] {
			s := &v.p.Scenario[first+i]
			if d.detail == full {
				part(v.block(s, d.causes))
			} else {
				part(v.summary(s))
			}
		}
	}
	if d.client {
		part(append(v.client(), v.servers(d.servers)...))
	}
	part(append(v.strain(), v.warnings(d.warnings)...))
	used = len(rows) + 1
	for len(rows)+1 < v.height {
		rows = append(rows, "")
	}
	return append(rows, v.foot()), used
}

// head is the name, the phase and how far it is.
func (v *view) head() []string {
	p := &v.p
	title := []cell{{text: cut(clean(p.Name), max(v.width/2, 8)), style: v.bold}}
	if p.Verdict != "" {
		title = append(title, cell{text: string(p.Verdict), style: v.verdict(p.Verdict), rank: 1})
	} else {
		title = append(title, cell{text: clean(p.Phase), style: v.accent, rank: 2})
	}
	if p.Step != "" {
		title = append(title, cell{text: clean(p.Step), rank: 4})
	}
	title = append(title, spacer())
	if v.silent > 3*time.Second {
		title = append(title, cell{text: "no news for " + span(v.silent.Seconds()), style: v.warn, rank: 3})
	}
	if v.presses > 0 && p.Verdict == "" {
		title = append(title, cell{text: "ending…", style: v.warn, rank: 1})
	}
	title = append(title, cell{text: clock(p.Elapsed), style: v.bold})
	return []string{render(v.width, title...), v.progress()}
}

func (v *view) verdict(verdict report.Verdict) style {
	switch verdict {
	case report.Passed:
		return v.good
	case report.Interrupted:
		return v.warn
	}
	return v.bad
}

// progress is how far the phase is: by time, or by connections while they are
// made and it takes as long as it takes.
func (v *view) progress() string {
	p := &v.p
	share, text := 0.0, span(p.In)
	var open, wanted int64
	for i := range p.Scenario {
		open, wanted = open+p.Scenario[i].Last.Open, wanted+p.Scenario[i].Wanted
	}
	switch {
	case p.Verdict != "":
		share = 1
		text = "over"
	case p.Of > 0:
		share = p.In / p.Of
		text = fmt.Sprintf("%s of %s", span(p.In), span(p.Of))
	case p.Phase == "connect" && wanted > 0:
		share = float64(open) / float64(wanted)
		text = fmt.Sprintf("%s of %s connections", count(open), count(wanted))
	default:
		return render(v.width, cell{text: text + " in this phase", style: v.faint})
	}
	return render(v.width,
		cell{fill: func(w int) string { return bar(share, w) }, least: 6, most: 1 << 20, style: v.accent, rank: 1},
		cell{text: text, style: v.faint})
}

// foot says what the keyboard does.
func (v *view) foot() string {
	text := "q: end the run and report"
	switch {
	case v.p.Verdict != "":
		text = ""
	case v.presses == 1:
		text = "ending; q: end at once, without waiting for answers"
	case v.presses > 1:
		text = "ending at once"
	}
	return render(v.width, cell{text: text, style: v.faint})
}
