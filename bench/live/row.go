package live

import (
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// cell is a piece of a row.
type cell struct {
	text  string
	style style
	// rank says which cells go first when a row is too wide: those of the
	// highest rank, and of those the last. Cells of rank 0 stay.
	rank int
	// fill, when set, makes the text: of any width from least to most cells,
	// as much as the others leave.
	fill        func(width int) string
	least, most int
}

func (c *cell) width() int {
	if c.fill != nil {
		return c.least
	}
	return cells(c.text)
}

// gap is the space between cells.
const gap = 2

// render lays cells out in one line of at most width cells.
func render(width int, row ...cell) string {
	row, total := fit(width, row)
	var b strings.Builder
	for i := range row {
		c := &row[i]
		if i > 0 {
			b.WriteString("  ")
		}
		text := c.text
		if c.fill != nil {
			w := min(c.least+max(width-total, 0), c.most)
			total += w - c.least
			text = c.fill(w)
		}
		if text != "" {
			b.WriteString(c.style.Render(text))
		}
	}
	line := strings.TrimRight(b.String(), " ")
	if total <= width {
		return line
	}
	return ansi.Truncate(line, width, "…")
}

// fit returns the cells that stay, with their width.
func fit(width int, row []cell) ([]cell, int) {
	row = slices.Clone(row)
	for {
		total, worst := gap*(len(row)-1), -1
		for i := range row {
			total += row[i].width()
			if row[i].rank > 0 && (worst < 0 || row[i].rank >= row[worst].rank) {
				worst = i
			}
		}
		if total <= width || worst < 0 {
			return row, total
		}
		row = slices.Delete(row, worst, worst+1)
	}
}

// cells is how many cells text takes.
func cells(text string) int {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return ansi.StringWidth(text)
		}
	}
	return len(text)
}

// cut shortens text to w cells.
func cut(text string, w int) string {
	if cells(text) <= w {
		return text
	}
	return ansi.Truncate(text, w, "…")
}

// spacer takes all that the others leave.
func spacer() cell {
	return cell{fill: func(w int) string { return strings.Repeat(" ", w) }, most: 1 << 20}
}

// left and right pad text to a column of w cells.
func left(text string, w int) string {
	return text + strings.Repeat(" ", max(w-cells(text), 0))
}

func right(text string, w int) string {
	return strings.Repeat(" ", max(w-cells(text), 0)) + text
}
