package live

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
)

// cell is a piece of a row.
type cell struct {
	text  string
	style lipgloss.Style
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
	return ansi.StringWidth(c.text)
}

// gap is the space between cells.
const gap = 2

// render lays cells out in one line of at most width cells.
func render(width int, cells ...cell) string {
	cells, total := fit(width, cells)
	var b strings.Builder
	for i := range cells {
		c := &cells[i]
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
	return ansi.Truncate(strings.TrimRight(b.String(), " "), width, "…")
}

// fit returns the cells that stay, with their width.
func fit(width int, cells []cell) ([]cell, int) {
	cells = append([]cell(nil), cells...)
	for {
		total, worst := gap*(len(cells)-1), -1
		for i := range cells {
			total += cells[i].width()
			if cells[i].rank > 0 && (worst < 0 || cells[i].rank >= cells[worst].rank) {
				worst = i
			}
		}
		if total <= width || worst < 0 {
			return cells, total
		}
		cells = append(cells[:worst], cells[worst+1:]...)
	}
}

// spacer takes all that the others leave.
func spacer() cell {
	return cell{fill: func(w int) string { return strings.Repeat(" ", w) }, most: 1 << 20}
}

// left and right pad text to a column of w cells.
func left(text string, w int) string {
	return text + strings.Repeat(" ", max(w-ansi.StringWidth(text), 0))
}

func right(text string, w int) string {
	return strings.Repeat(" ", max(w-ansi.StringWidth(text), 0)) + text
}
