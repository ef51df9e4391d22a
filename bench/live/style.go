package live

import (
	"io"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	// Imported before bubbletea is initialised.
	_ "carillon/bench/live/internal/background"
)

// style is the look of text: what is sent before and after it.
type style struct{ on, off string }

// Render returns text in the style.
func (s style) Render(text string) string { return s.on + text + s.off }

// styles are the looks of text on a screen. The colours are the terminal's own
// sixteen, which its user chose to be readable.
type styles struct {
	plain, bold, faint, good, warn, bad, accent style
}

func newStyles(out io.Writer, color Color) styles {
	r := lipgloss.NewRenderer(out)
	switch color {
	case ColorAlways:
		if r.ColorProfile() == termenv.Ascii {
			r.SetColorProfile(termenv.ANSI)
		}
	case ColorNever:
		r.SetColorProfile(termenv.Ascii)
	}
	colored := func(c string) lipgloss.Style { return r.NewStyle().Foreground(lipgloss.Color(c)) }
	return styles{
		bold:   styleOf(r.NewStyle().Bold(true)),
		faint:  styleOf(r.NewStyle().Faint(true)),
		good:   styleOf(colored("2")),
		warn:   styleOf(colored("3")),
		bad:    styleOf(colored("1").Bold(true)),
		accent: styleOf(colored("6")),
	}
}

// styleOf takes a style apart once, as rendering each text by itself costs ten
// times the rest of a drawing.
func styleOf(s lipgloss.Style) style {
	on, off, _ := strings.Cut(s.Render("x"), "x")
	return style{on, off}
}
