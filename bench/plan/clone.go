package plan

import (
	"maps"
	"slices"
)

// Clone is a deep copy.
func (p *Plan) Clone() *Plan {
	c := *p
	c.Scenarios = slices.Clone(p.Scenarios)
	for i := range c.Scenarios {
		c.Scenarios[i] = c.Scenarios[i].clone()
	}
	for _, list := range []*[]string{&c.FailIf, &c.Sources, &c.Agents, &c.MetricsURL} {
		*list = slices.Clone(*list)
	}
	c.PIDs = slices.Clone(p.PIDs)
	return &c
}

func (s Scenario) clone() Scenario {
	s.Headers = maps.Clone(s.Headers)
	s.Ignore = slices.Clone(s.Ignore)
	s.Publish, s.Churn, s.Storm, s.Slow = copied(s.Publish), copied(s.Churn), copied(s.Storm), copied(s.Slow)
	if p := s.Publish; p != nil {
		p.Headers, p.Status = maps.Clone(p.Headers), slices.Clone(p.Status)
	}
	if s.Storm != nil {
		s.Storm.Backoff = copied(s.Storm.Backoff)
	}
	return s
}

// copied points to a copy of what p points to.
func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
