package report

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"carillon/bench/stats"
)

func TestRankDeviate(t *testing.T) {
	t.Parallel()
	// Worked by hand: all of b above all of a; U = 0 or 25, sigma = sqrt(25*11/12).
	a, b := []float64{2, 4, 1, 5, 3}, []float64{7, 9, 6, 10, 8}
	if got, want := rankDeviate(a, b), 12.5/math.Sqrt(25*11./12); math.Abs(got-want) > 1e-9 {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, back := rankDeviate(a, b), rankDeviate(b, a); math.Abs(got+back) > 1e-9 {
		t.Errorf("not symmetric: %v, %v", got, back)
	}
	a, b = []float64{1, 3, 5, 9, 0}, []float64{3, 3, 7, 7, 7}
	// sorted 0 1 3 3 3 5 7 7 7 9: ranks of b 4, 4, 8, 8, 8 = 32; U = 32-15-12.5; ties 2*(27-3).
	want := 4.5 / math.Sqrt(25./12*(11-48./90))
	rho := (dependence(a) + dependence(b)) / 2
	if got := rankDeviate(a, b); math.Abs(got-want*math.Sqrt((1-rho)/(1+rho))) > 1e-9 {
		t.Errorf("with ties: got %v, want %v", got, want)
	}
	if rankDeviate([]float64{1, 1, 1, 1, 1}, []float64{1, 1, 1, 1, 1}) != 0 {
		t.Error("equal values differ")
	}
	if differ([]float64{1, 2, 3, 4}, []float64{11, 12, 13, 14, 15}) {
		t.Error("four values are enough")
	}
}

// TestNoiseIsNotAChange draws many pairs of alike series; few may differ.
func TestNoiseIsNotAChange(t *testing.T) {
	t.Parallel()
	g := rand.New(rand.NewPCG(7, 7))
	series := func(n int, like, shift float64) []float64 {
		var all []float64
		last := 0.
		for range n {
			last = like*last + g.NormFloat64()*math.Sqrt(1-like*like)
			all = append(all, last+shift)
		}
		return all
	}
	const trials = 500
	share := func(n int, like, shift float64) float64 {
		found := 0
		for range trials {
			if differ(series(n, like, 0), series(n, like, shift)) {
				found++
			}
		}
		return float64(found) / trials
	}
	if s := share(30, 0, 0); s > .03 {
		t.Errorf("independent seconds: %v of alike pairs differ, want 0.01", s)
	}
	if s := share(60, .6, 0); s > .05 {
		t.Errorf("seconds like the last: %v of alike pairs differ, want about 0.01", s)
	}
	if s := share(30, 0, 1.5); s < .95 {
		t.Errorf("only %v of pairs that differ by 1.5 deviations are found", s)
	}
}

func TestQuantilesDiffer(t *testing.T) {
	t.Parallel()
	g := rand.New(rand.NewPCG(8, 8))
	hist := func(n int, median float64) *stats.Hist {
		h := new(stats.Hist)
		for range n {
			h.Record(time.Duration(median * math.Exp(g.NormFloat64()*.5) * float64(time.Millisecond)))
		}
		return h
	}
	false99 := 0
	for range 200 {
		if quantilesDiffer(hist(2000, 1), hist(2000, 1), .99) {
			false99++
		}
	}
	if false99 > 6 {
		t.Errorf("%d of 200 alike pairs differ", false99)
	}
	if !quantilesDiffer(hist(20000, 1), hist(20000, 1.2), .99) {
		t.Error("20 % more p99 of 20,000 is taken for noise")
	}
	if quantilesDiffer(hist(50, 1), hist(50, 3), .999) {
		t.Error("50 values have a p99.9")
	}
	if quantilesDiffer(hist(50, 1), hist(50, 3), 1) {
		t.Error("a maximum differs")
	}
}

func TestSharesDiffer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		n1, of1, n2, of2 float64
		want             bool
	}{
		{0, 1e6, 0, 1e6, false}, {0, 1e6, 1, 1e6, false}, {0, 1e6, 100, 1e6, true}, {100, 1e6, 120, 1e6, false},
		{100, 1e6, 300, 1e6, true}, {0, 0, 5, 10, false}, {10, 10, 0, 10, true},
	} {
		if got := sharesDiffer(tt.n1, tt.of1, tt.n2, tt.of2); got != tt.want {
			t.Errorf("%v of %v and %v of %v: %v", tt.n1, tt.of1, tt.n2, tt.of2, got)
		}
	}
}
