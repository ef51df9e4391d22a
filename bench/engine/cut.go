package engine

// Cut ends the stage early: nothing is due from the time to on. What was not due
// yet is forgotten, not counted as missing; storms begin no further cycle, and
// connections that are not back are abandoned. Settle has to follow.
func (e *Engine) Cut(to int64) {
	for _, sc := range e.scenarios {
		sc.until.Store(min(sc.until.Load(), to))
		if sc.pushes != nil {
			sc.pushes.cut(to)
		}
		if sc.storm != nil {
			sc.storm.cut(to)
		}
	}
	e.director.cut()
	for _, s := range e.shards {
		s.call(func() {
			for _, g := range s.groups {
				g.stage.To = min(g.stage.To, to)
				for i := range g.scheds {
					g.scheds[i].cut(to)
				}
			}
		})
	}
}

// cut is Cut for publishes.
func (p *publishing) cut(to int64) {
	p.e.director.mu.Lock()
	defer p.e.director.mu.Unlock()
	p.sched.cut(to)
}

// cut ends the schedule at a time.
func (s *schedule) cut(to int64) {
	s.end = min(s.end, to)
	if s.next >= s.end {
		s.next = never
	}
}
