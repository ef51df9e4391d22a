package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

// TextOptions say what a report is written to.
type TextOptions struct {
	Color bool // with ANSI colours
	Width int  // columns; 0, and all below 80, mean 80
}

// Text writes the report for a terminal, the verdict first. Text of the server
// cannot move the cursor or change colours.
func Text(w io.Writer, r *Report, opt TextOptions) error {
	p := &printer{color: opt.Color, width: max(opt.Width, 80)}
	p.head(r)
	for _, s := range r.sections() {
		p.section(&s)
	}
	_, err := io.WriteString(w, p.out.String())
	return err
}

// printer lays out text.
type printer struct {
	out   strings.Builder
	color bool
	width int
}

// gap separates columns, and indents a table.
const gap = 2

// The colours of moods, and of headings.
var ansi = map[mood]string{faint: "\x1b[2m", good: "\x1b[32m", warning: "\x1b[33m", bad: "\x1b[31m"}

const (
	bold  = "\x1b[1m"
	reset = "\x1b[0m"
)

func (p *printer) paint(style, text string) string {
	if !p.color || style == "" {
		return text
	}
	return style + text + reset
}

func (p *printer) line(format string, args ...any) {
	p.out.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " "))
	p.out.WriteByte('\n')
}

func (p *printer) head(r *Report) {
	verdict := r.Verdict.title()
	p.line("%s  %s", p.paint(bold+ansi[r.Verdict.mood()], verdict), p.paint(bold, p.cut(r.Name, len(verdict)+gap)))
	for _, reason := range r.Reasons {
		p.wrapped("  ", "  ", reason, r.Verdict.mood())
	}
	for _, warn := range r.Warnings {
		p.wrapped("  warning: ", "           ", warn, warning)
	}
	p.out.WriteByte('\n')
	p.wrapped("", "  ", r.when(), faint)
	if len(r.Command) > 0 {
		p.wrapped("", "  ", strings.Join(r.Command, " "), faint)
	}
}

// cut shortens text to one line after what already stands there.
func (p *printer) cut(text string, before int) string {
	return runewidth.Truncate(plain(text), p.width-before, "…")
}

// wrapped writes text in lines that fit.
func (p *printer) wrapped(first, rest, text string, m mood) {
	prefix := first
	for _, l := range wrap(plain(text), p.width-len(rest)) {
		p.line("%s%s", prefix, p.paint(ansi[m], l))
		prefix = rest
	}
}

// wrap breaks text at blanks, and longer words anywhere.
func wrap(text string, width int) []string {
	var lines []string
	current := ""
	for _, word := range strings.Fields(text) {
		for runewidth.StringWidth(word) > width {
			if current != "" {
				lines, current = append(lines, current), ""
			}
			head := runewidth.Truncate(word, width, "")
			lines, word = append(lines, head), word[len(head):]
		}
		switch {
		case current == "":
			current = word
		case runewidth.StringWidth(current)+1+runewidth.StringWidth(word) <= width:
			current += " " + word
		default:
			lines, current = append(lines, current), word
		}
	}
	if current != "" || len(lines) == 0 {
		lines = append(lines, current)
	}
	return lines
}

func (p *printer) section(s *section) {
	p.line("\n%s", p.paint(bold, p.cut(s.Title, 0)))
	names := 0
	for _, f := range s.Facts {
		names = max(names, runewidth.StringWidth(f.Name))
	}
	for _, f := range s.Facts {
		rest := strings.Repeat(" ", names+4)
		if f.Brief {
			f.Value = p.cut(f.Value, len(rest))
		}
		p.wrapped("  "+pad(f.Name, names, false)+"  ", rest, f.Value, f.Mood)
	}
	for _, n := range s.Notes {
		p.wrapped("  ", "  ", n.Text, n.Mood)
	}
	for i := range s.Tables {
		p.table(&s.Tables[i])
	}
}

func (p *printer) table(t *table) {
	cells := make([][]string, 0, len(t.Rows)+1)
	head := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		head[i] = c.Name
	}
	cells = append(cells, head)
	for _, r := range t.Rows {
		clean := make([]string, len(r.Cells))
		for i, c := range r.Cells {
			clean[i] = plain(c)
		}
		cells = append(cells, clean)
	}
	// The title stands above the row headings.
	if t.Title != "" && cells[0][0] == "" {
		cells[0][0] = t.Title
	} else if t.Title != "" {
		p.line("\n  %s", t.Title)
	}
	if cells[0][0] == t.Title || t.Title == "" {
		p.out.WriteByte('\n')
	}
	widths := p.fit(t, cells)
	for n, line := range cells {
		var b strings.Builder
		for i, c := range line {
			if widths[i] < 0 {
				continue
			}
			if runewidth.StringWidth(c) > widths[i] {
				c = runewidth.Truncate(c, widths[i], "…")
			}
			b.WriteString(strings.Repeat(" ", gap) + pad(c, widths[i], !t.Columns[i].Words))
		}
		style := ansi[faint]
		if n > 0 {
			style = ansi[t.Rows[n-1].Mood]
		}
		p.line("%s", p.paint(style, strings.TrimRight(b.String(), " ")))
	}
	if t.Note != "" {
		p.wrapped("  ", "  ", t.Note, faint)
	}
}

// fit returns the width of every column, -1 for those that are left out. Extra
// columns go first; then the widest column of words is narrowed.
func (p *printer) fit(t *table, cells [][]string) []int {
	widths := make([]int, len(t.Columns))
	for i := range widths {
		used := false
		for n, line := range cells {
			widths[i] = max(widths[i], runewidth.StringWidth(line[i]))
			used = used || n > 0 && line[i] != ""
		}
		if !used {
			widths[i] = -1
		}
	}
	total := func() int {
		sum := 0
		for _, w := range widths {
			if w >= 0 {
				sum += w + gap
			}
		}
		return sum
	}
	for total() > p.width {
		extra := -1
		for i, c := range t.Columns {
			if widths[i] >= 0 && c.Extra > 0 && (extra < 0 || c.Extra > t.Columns[extra].Extra) {
				extra = i
			}
		}
		if extra < 0 {
			break
		}
		widths[extra] = -1
	}
	for excess := total() - p.width; excess > 0; excess = total() - p.width {
		widest := -1
		for i, w := range widths {
			if t.Columns[i].Words && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 || widths[widest] <= narrowest {
			break
		}
		widths[widest] = max(widths[widest]-excess, narrowest)
	}
	return widths
}

// narrowest is how far a column of words is narrowed.
const narrowest = 8

func pad(s string, width int, right bool) string {
	blanks := strings.Repeat(" ", max(width-runewidth.StringWidth(s), 0))
	if right {
		return blanks + s
	}
	return s + blanks
}
