package engine

import (
	"math"
	"math/rand/v2"

	"carillon/bench/plan"
)

// schedule is a sequence of due times at a given rate. It never drifts: the
// n-th time of a constant one is start + n/rate, whatever was done about the
// earlier ones.
type schedule struct {
	rng   *rand.Rand // Poisson; nil: constant
	start float64    // ns
	gap   float64    // ns
	n     float64    // times taken
	next  int64      // the next due time
	end   int64      // no time is at or beyond this; 0: none is at all
}

// newSchedule has the times of [from, to) at rate per second. part of parts
// shifts a constant schedule by that share of a gap, so that the schedules of
// several event loops together are evenly spaced as well.
func newSchedule(kind plan.Arrival, rate float64, from, to int64, part, parts int, rng *rand.Rand) schedule {
	if rate <= 0 || to <= from {
		return schedule{next: math.MaxInt64}
	}
	s := schedule{start: float64(from), gap: 1e9 / rate, end: to}
	if kind == plan.Poisson {
		s.rng = rng
		s.start += s.gap * rng.ExpFloat64()
	} else {
		s.start += s.gap * float64(part) / float64(max(parts, 1))
	}
	s.settle()
	return s
}

// settle computes next from start and n.
func (s *schedule) settle() {
	s.next = int64(s.start + s.n*s.gap)
	if s.next >= s.end {
		s.next = math.MaxInt64
	}
}

// take removes the next due time.
func (s *schedule) take() {
	if s.rng != nil {
		s.start += s.gap * s.rng.ExpFloat64()
	} else {
		s.n++
	}
	s.settle()
}

// left counts the times that have not been taken and ends the schedule.
func (s *schedule) left() (n int64) {
	for s.next != math.MaxInt64 {
		n++
		s.take()
	}
	return n
}
