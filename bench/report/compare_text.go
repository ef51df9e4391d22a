package report

import (
	"fmt"
	"io"
	"strings"
)

// Text writes the comparison for a terminal.
func (c *Comparison) Text(w io.Writer, opt TextOptions) error {
	p := &printer{color: opt.Color, width: max(opt.Width, 80)}
	title, m := "NO REGRESSION", good
	switch {
	case !c.Judged:
		title, m = "NOT COMPARABLE", warning
	case c.Regressed():
		title, m = "REGRESSION", bad
	}
	p.line("%s  changes beyond noise and %s", p.paint(bold+ansi[m], title), percent(c.Tolerance))
	for _, warn := range c.Warnings {
		p.wrapped("  warning: ", "           ", warn, warning)
	}
	if len(c.OnlyA) > 0 {
		p.wrapped("  ", "  ", "only in the first: "+strings.Join(c.OnlyA, ", "), bad)
	}
	if len(c.OnlyB) > 0 {
		p.wrapped("  ", "  ", "only in the second: "+strings.Join(c.OnlyB, ", "), warning)
	}
	p.out.WriteByte('\n')
	for i, r := range []Run{c.A, c.B} {
		text := fmt.Sprintf("%s  %s, %s", []string{"a", "b"}[i], r.Name, r.Verdict.title())
		if !r.Started.IsZero() {
			text += r.Started.UTC().Format(", 2006-01-02 15:04:05 UTC")
		}
		if r.ID != "" {
			text += ", run " + r.ID
		}
		p.wrapped("", "   ", text, faint)
	}
	for _, s := range c.Scenarios {
		p.changes(s.Name, s.Changes)
	}
	p.changes("server and search", c.Whole)
	_, err := io.WriteString(w, p.out.String())
	return err
}

func (p *printer) changes(title string, changes []Change) {
	if len(changes) == 0 {
		return
	}
	t := table{Columns: []column{{Name: plain(title), Words: true}, {Name: "a"}, {Name: "b"}, {Name: "b/a"}, {Name: "", Words: true}}}
	for _, c := range changes {
		r := row{Cells: []string{c.Metric, c.figure(c.A), c.figure(c.B), none, c.verdict()}}
		if c.Ratio != nil {
			r.Cells[3] = digits3(*c.Ratio)
		}
		switch c.Outcome {
		case Better:
			r.Mood = good
		case Worse:
			r.Mood = bad
		case Same, Shown:
			r.Mood = neutral
		}
		t.Rows = append(t.Rows, r)
	}
	p.table(&t)
}

// figure writes a value of the change.
func (c *Change) figure(v float64) string {
	switch c.Unit {
	case "ms":
		return millis(v)
	case "B":
		return inBytes(v)
	case "/s":
		return each(v)
	case "s":
		return inSeconds(v)
	}
	if c.Metric == "faults" || c.Metric == "failures" {
		return percent(v)
	}
	return digits3(v)
}

// verdict says what became of the change, and why not more.
func (c *Change) verdict() string {
	switch {
	case c.Outcome == Better, c.Outcome == Worse:
		return strings.ToUpper(string(c.Outcome))
	case c.Outcome == Shown:
		return "not judged"
	case c.Within:
		return "same"
	default:
		return "within noise"
	}
}
