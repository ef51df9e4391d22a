package live

import (
	"slices"
	"strings"
	"unicode"

	"carillon/bench/report"
)

// clean makes text from elsewhere, such as the close reason that a server
// chose, fit for a terminal: it stays on its line and cannot steer the
// terminal, hide itself or turn the direction of the rest.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r != ' ' && (unicode.IsSpace(r) || !unicode.IsGraphic(r)) {
			return '·'
		}
		return r
	}, strings.ToValidUTF8(s, "·"))
}

// cleaned returns p with its texts cleaned. It shares what has none with p.
func cleaned(p report.Progress) report.Progress {
	p.Name, p.Step = clean(p.Name), clean(p.Step)
	p.Warnings, p.Scenario, p.Servers = slices.Clone(p.Warnings), slices.Clone(p.Scenario), slices.Clone(p.Servers)
	for i := range p.Warnings {
		p.Warnings[i] = clean(p.Warnings[i])
	}
	for i := range p.Scenario {
		s := &p.Scenario[i]
		s.Name, s.Kind, s.TopCauses = clean(s.Name), clean(s.Kind), slices.Clone(s.TopCauses)
		for j := range s.TopCauses {
			s.TopCauses[j].Text = clean(s.TopCauses[j].Text)
		}
	}
	for i := range p.Servers {
		p.Servers[i].Source = clean(p.Servers[i].Source)
	}
	return p
}
