package live

import (
	"io"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	// Imported before bubbletea is initialised.
	_ "carillon/bench/live/internal/background"
)

// styles are the looks of text on a screen. The colours are the terminal's own
// sixteen, which its user chose to be readable.
type styles struct {
	plain, bold, faint, good, warn, bad, accent lipgloss.Style
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
		plain:  r.NewStyle(),
		bold:   r.NewStyle().Bold(true),
		faint:  r.NewStyle().Faint(true),
		good:   colored("2"),
		warn:   colored("3"),
		bad:    colored("1").Bold(true),
		accent: colored("6"),
	}
}
