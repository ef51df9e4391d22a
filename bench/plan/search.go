package plan

import (
	"fmt"
	"slices"
)

// searchable tells whether a scenario has what a search of rates raises, and
// else why not.
func (s *Scenario) searchable() (problem string) {
	switch {
	case !slices.Contains(messaging, s.Kind):
		return fmt.Sprintf("kind %s only connects, so there is no rate of messages to raise; find-max-of: connections raises their number", s.Kind)
	case s.Model == Closed:
		return "a search of rates needs the open model"
	case s.Every != 0:
		return "a search of rates needs rate instead of every"
	}
	return ""
}

// searched is what a search raises in a scenario.
func (s *Scenario) searched(of string) float64 {
	if of == OfConnections {
		return float64(s.Connections)
	}
	return s.Rate
}

// FindStart is the first value that a search tries: the rates, or the
// connections, of all scenarios together as the plan gives them.
func (p *Plan) FindStart() float64 {
	total := 0.0
	for i := range p.Scenarios {
		total += p.Scenarios[i].searched(p.FindOf)
	}
	return total
}

// At is a copy of a complete plan at another value of what its search raises.
// Several scenarios keep their proportions. A value outside the bounds of a
// plan leaves the copy at them.
func (p *Plan) At(value float64) *Plan {
	c := p.Clone()
	start := p.FindStart()
	if start <= 0 {
		return c
	}
	for i := range c.Scenarios {
		s := &c.Scenarios[i]
		v := s.searched(p.FindOf) * value / start
		if p.FindOf == OfConnections {
			s.Connections = int(min(max(v+.5, 1), maxConnections))
		} else {
			s.Rate = min(v, maxRate)
		}
	}
	return c
}

func (p *Plan) findBound() float64 {
	if p.FindOf == OfConnections {
		return maxConnections
	}
	return maxRate
}

func (d *draft) fillSearch() {
	if d.FindMax == "" {
		return
	}
	preset(d, "find-max-of", &d.FindOf, OfRate)
	preset(d, "find-max-limit", &d.FindTop, min(1000*d.FindStart(), d.findBound()))
}

func (d *draft) checkSearch() {
	if d.FindMax == "" {
		d.refuse("find-max-of", d.FindOf != "", "there is no find-max to go with it")
		d.refuse("find-max-limit", d.FindTop != 0, "there is no find-max to go with it")
		return
	}
	d.condition("find-max", d.FindMax)
	oneOf(d, "find-max-of", d.FindOf, OfRate, OfConnections)
	if d.FindOf == OfRate {
		for i := range d.Scenarios {
			if problem := d.Scenarios[i].searchable(); problem != "" {
				d.errs.add("find-max", "scenarios[%d]: %s", i, problem)
				return
			}
		}
	}
	d.from("find-max-limit", d.FindTop, min(d.FindStart(), d.findBound()), d.findBound())
}
