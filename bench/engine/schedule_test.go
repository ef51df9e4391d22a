package engine

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"carillon/bench/plan"
)

// timesOf takes all times of a schedule.
func timesOf(s schedule) (all []int64) {
	for ; s.next < never; s.take() {
		all = append(all, s.next)
	}
	return all
}

const start0 = int64(3_600_000_000_123) // some time after the machine started

// However long it runs, the k-th time is where it belongs.
func TestScheduleDoesNotDrift(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{.001, .3, 1, 7, 333.3, 10_000, 999_983} {
		n := 100_000
		to := start0 + int64(float64(n)/rate*1e9)
		s := newSchedule(plan.Constant, rate, start0, to, whole, [2]uint64{})
		k := 0
		for ; s.next < never; k++ {
			want := float64(start0) + float64(k)*1e9/rate
			if d := float64(s.next) - want; d > 1 || d < -2 {
				t.Fatalf("rate %v: time %d is off by %v ns", rate, k, d)
			}
			s.take()
		}
		if k < n || k > n+1 {
			t.Errorf("rate %v: %d times, want %d", rate, k, n)
		}
	}
}

// Parts of any sizes have all the times of the whole, each once, and each about
// as many as it is large.
func TestSchedulePartsMakeTheWhole(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for range 12 {
		rate := 1 + rng.Float64()*100_000
		to := start0 + int64(10_000/rate*1e9)
		all := timesOf(newSchedule(plan.Constant, rate, start0, to, whole, [2]uint64{}))
		sizes := make([]int, 1+rng.IntN(8))
		total := 0
		for i := range sizes {
			sizes[i] = rng.IntN(50)
			total += sizes[i]
		}
		if total == 0 {
			continue
		}
		var merged []int64
		before := 0
		for _, n := range sizes {
			part := timesOf(newSchedule(plan.Constant, rate, start0, to, whole.part(before, before+n, total), [2]uint64{}))
			before += n
			if want := float64(len(all)) * float64(n) / float64(total); math.Abs(float64(len(part))-want) > 15 {
				t.Errorf("%d of %d: got %d times of %d, want %.0f", n, total, len(part), len(all), want)
			}
			merged = append(merged, part...)
		}
		slices.Sort(merged)
		if !slices.Equal(merged, all) {
			t.Fatalf("rate %v, parts %v: %d times together, want %d", rate, sizes, len(merged), len(all))
		}
	}
}

// No part waits much longer for its next time than its share says.
func TestSchedulePartsAreMixed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ from, to, of int }{{0, 1, 2}, {1, 2, 2}, {0, 1, 3}, {3, 4, 7}, {25, 51, 51}, {0, 25, 51}, {7, 8, 100}} {
		gap := 1e6 * float64(tt.of) / float64(tt.to-tt.from)
		times := timesOf(newSchedule(plan.Constant, 1000, start0, start0+int64(20*time.Second), whole.part(tt.from, tt.to, tt.of), [2]uint64{}))
		for i := 1; i < len(times); i++ {
			if d := float64(times[i] - times[i-1]); d > 2.7*gap {
				t.Errorf("%v: %v ns between two times, %v on average", tt, d, gap)
				break
			}
		}
	}
}

// What is skipped is what would have been taken.
func TestScheduleSkip(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		kind := plan.Constant
		if rng.IntN(3) == 0 {
			kind = plan.Poisson
		}
		n := 1 + rng.IntN(20)
		i := rng.IntN(n)
		fresh := func() schedule {
			return newSchedule(kind, 20_000, start0, start0+int64(time.Second), whole.part(i, i+1, n), [2]uint64{1, 2})
		}
		all := timesOf(fresh())
		s := fresh()
		taken := 0
		for taken < len(all) {
			if rng.IntN(2) == 0 {
				if s.next != all[taken] {
					t.Fatalf("time %d is %d, want %d", taken, s.next, all[taken])
				}
				s.take()
				taken++
				continue
			}
			upTo := start0 + rng.Int64N(int64(1100*time.Millisecond))
			want := 0
			for taken < len(all) && all[taken] < upTo {
				taken++
				want++
			}
			if got := s.skip(upTo); got != int64(want) {
				t.Fatalf("skipped %d up to %d, want %d", got, upTo-start0, want)
			}
		}
		if s.next != never || s.skip(math.MaxInt64) != 0 {
			t.Fatal("more times than there are")
		}
	}
}

// Skipping a week at a million per second takes no time, with any part.
func TestScheduleSkipIsQuick(t *testing.T) {
	t.Parallel()
	const rate, seconds = 1_000_000, 168 * 3600
	total := int64(0)
	for i := range 3 {
		s := newSchedule(plan.Constant, rate, start0, start0+int64(seconds*time.Second), whole.part(i, i+1, 3), [2]uint64{})
		total += s.skip(math.MaxInt64)
	}
	if total != rate*seconds {
		t.Errorf("got %d, want %d", total, int64(rate*seconds))
	}
}

func TestStretchCount(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		lo := rng.Uint64N(circle + 1)
		s := stretch{lo, lo + rng.Uint64N(circle+1-lo)}
		n := rng.Uint64N(20_000)
		want := uint64(0)
		for k := range n {
			if s.has(k) {
				want++
			}
		}
		if got := s.count(n); got != want {
			t.Fatalf("%v: %d of the first %d, want %d", s, got, n, want)
		}
	}
	// Once round the circle everybody has had exactly his share.
	if s := (stretch{12345, 9_999_999}); s.count(3*circle+7) != 3*(s.hi-s.lo)+s.count(7) {
		t.Error("three times round is not three times the share")
	}
}

// afterFirst is a schedule whose first time, which is the start, was taken.
func afterFirst(s schedule) schedule {
	s.take()
	return s
}

func TestScheduleEnds(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]schedule{
		"no rate":    newSchedule(plan.Constant, 0, start0, start0+1e9, whole, [2]uint64{}),
		"no time":    newSchedule(plan.Constant, 5, start0, start0, whole, [2]uint64{}),
		"no part":    newSchedule(plan.Constant, 5, start0, start0+1e9, stretch{}, [2]uint64{}),
		"no poisson": newSchedule(plan.Poisson, 5, start0, start0+1e9, whole.part(2, 2, 4), [2]uint64{}),
		"past time":  afterFirst(newSchedule(plan.Constant, 1e-10, start0, start0+1e9, whole, [2]uint64{})),
		"no end":     afterFirst(newSchedule(plan.Constant, 1e-10, start0, never, whole, [2]uint64{})),
		"no number":  afterFirst(newSchedule(plan.Constant, math.SmallestNonzeroFloat64, start0, never, whole, [2]uint64{})),
		"a sliver":   newSchedule(plan.Constant, 1000, start0, start0+1e9, stretch{circle - 1, circle}, [2]uint64{}),
	} {
		if s.next != never || s.skip(never) != 0 {
			t.Errorf("%s: there is a time", name)
		}
	}
	s := newSchedule(plan.Constant, 1000, start0, start0+1e9, whole, [2]uint64{})
	s.cut(start0 + 5_500_000)
	if got := len(timesOf(s)); got != 6 {
		t.Errorf("got %d times after a cut, want 6", got)
	}
	if s.cut(start0); s.next != never {
		t.Error("a time after the end")
	}
}

// Gaps of a Poisson process are exponential: the distribution is no further from
// that than chance explains, for the whole and for parts that were put together.
func TestSchedulePoisson(t *testing.T) {
	t.Parallel()
	for _, parts := range []int{1, 5} {
		var all []int64
		for i := range parts {
			all = append(all, timesOf(newSchedule(plan.Poisson, 10_000, start0, start0+int64(10*time.Second), whole.part(i, i+1, parts), [2]uint64{7, uint64(i)}))...)
		}
		slices.Sort(all)
		checkExponential(t, all)
		if n := float64(len(all)); math.Abs(n-100_000) > 5*math.Sqrt(100_000) {
			t.Errorf("%d parts: %v times, want about 100,000", parts, n)
		}
	}
}

// checkExponential is a Kolmogorov-Smirnov test at a significance far below any
// chance of failing by itself; the times are given.
func checkExponential(t *testing.T, times []int64) {
	t.Helper()
	gaps := make([]float64, len(times)-1)
	mean := 0.0
	for i := range gaps {
		gaps[i] = float64(times[i+1] - times[i])
		mean += gaps[i] / float64(len(gaps))
	}
	slices.Sort(gaps)
	worst := 0.0
	for i, g := range gaps {
		worst = max(worst, math.Abs(1-math.Exp(-g/mean)-float64(i)/float64(len(gaps))))
	}
	if limit := 2.5 / math.Sqrt(float64(len(gaps))); worst > limit {
		t.Errorf("gaps are %.4f from exponential, at most %.4f is chance", worst, limit)
	}
}

func TestSameSeedSameTimes(t *testing.T) {
	t.Parallel()
	of := func(seed uint64) []int64 {
		return timesOf(newSchedule(plan.Poisson, 1000, start0, start0+int64(time.Second), whole, [2]uint64{seed, 1}))
	}
	if !slices.Equal(of(1), of(1)) {
		t.Error("the same seed gave other times")
	}
	if slices.Equal(of(1), of(2)) {
		t.Error("another seed gave the same times")
	}
}
