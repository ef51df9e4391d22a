package engine

import (
	"math"
	"math/rand/v2"

	"carillon/bench/plan"
)

// never is a time that does not come.
const never = math.MaxInt64

// schedule is a sequence of due times at a given rate. A constant one never
// drifts: its k-th time is from + k/rate, whatever was done about the earlier
// ones.
//
// The parts of a run, event loops and processes, share one constant sequence:
// the number of each time tells which part has it, see [stretch], so that all of
// them together are evenly spaced, whatever their sizes. Poisson sequences are
// independent of each other, which together is a Poisson sequence again.
type schedule struct {
	rng  *rand.Rand // Poisson; nil: constant
	from int64
	gap  float64 // ns between two times of the whole (constant) or, on average, of this part (Poisson)
	at   float64 // Poisson: the next time, ns since from
	k    uint64  // constant: number of the next time
	of   stretch
	next int64 // the next due time; never: there is none
	end  int64 // no time is at or beyond this
}

// newSchedule has what falls to a part of the times of [from, to) at rate per
// second. seed is of Poisson times; it must differ from part to part.
func newSchedule(kind plan.Arrival, rate float64, from, to int64, of stretch, seed [2]uint64) schedule {
	if rate <= 0 || to <= from || of.empty() {
		return schedule{next: never}
	}
	s := schedule{from: from, gap: 1e9 / rate, of: of, end: to}
	if kind == plan.Poisson {
		s.rng = rand.New(rand.NewPCG(seed[0], seed[1]))
		s.gap /= of.share()
		s.at = s.gap * s.rng.ExpFloat64()
	}
	s.settle()
	return s
}

// time is the k-th time of a constant schedule; never: it is at or beyond the end,
// maybe too far to be told.
func (s *schedule) time(k uint64) int64 {
	if at := float64(k) * s.gap; at < float64(s.end-s.from) {
		return s.from + int64(at)
	}
	return never
}

// settle finds the next time at or after the current one that is ours.
func (s *schedule) settle() {
	s.next = never
	if s.rng != nil {
		if t := s.from + int64(s.at); s.at < float64(s.end-s.from) && t < s.end {
			s.next = t
		}
		return
	}
	for !s.of.has(s.k) {
		s.k++
		if s.k&0xffff == 0 && s.time(s.k) >= s.end { // a sliver of a run: do not look for ever
			return
		}
	}
	if t := s.time(s.k); t < s.end {
		s.next = t
	}
}

// take removes the next due time.
func (s *schedule) take() {
	if s.rng != nil {
		s.at += s.gap * s.rng.ExpFloat64()
	} else {
		s.k++
	}
	s.settle()
}

// skip removes the times before t and returns how many they were.
func (s *schedule) skip(t int64) (n int64) {
	t = min(t, s.end)
	if s.next >= t {
		return 0
	}
	if s.rng != nil {
		for ; s.next < t; s.take() {
			n++
		}
		return n
	}
	k := s.first(t)
	n = int64(s.of.count(k) - s.of.count(s.k))
	s.k = k
	s.settle()
	return n
}

// first is the number of the first time, ours or not, at or after t.
func (s *schedule) first(t int64) uint64 {
	k := max(uint64(float64(t-s.from)/s.gap), 1) - 1 // rounding is off by one at most
	for s.time(k) < t {
		k++
	}
	return k
}
