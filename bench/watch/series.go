package watch

import "carillon/bench/report"

// maxPoints bounds a series, whatever the length of the run.
const maxPoints = 1800

// series is a server over time. When it is full, neighbours are merged, so that
// a long run has fewer points a minute and as many in all.
type series struct {
	points []report.ServerPoint
	stride int                // looks that make a point
	looks  int                // in pending
	work   float64            // CPU seconds in pending
	since  float64            // where pending begins
	last   report.ServerPoint // the latest look
}

// add takes the latest look.
func (s *series) add(p report.ServerPoint) {
	s.work += p.CPU * max(0, p.T-s.last.T)
	s.last = p
	s.looks++
	if s.looks < max(1, s.stride) {
		return
	}
	if d := p.T - s.since; d > 0 {
		p.CPU = s.work / d
	}
	s.points = append(s.points, p)
	s.looks, s.work, s.since = 0, 0, p.T
	if len(s.points) == maxPoints {
		s.halve()
	}
}

// halve merges the points pair by pair.
func (s *series) halve() {
	from := 0.0
	for i := range len(s.points) / 2 {
		a, b := s.points[2*i], s.points[2*i+1]
		if d := b.T - from; d > 0 {
			b.CPU = (a.CPU*(a.T-from) + b.CPU*(b.T-a.T)) / d
		}
		from = b.T
		s.points[i] = b
	}
	s.points = s.points[:len(s.points)/2]
	s.stride = 2 * max(1, s.stride)
}
