package watch

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"carillon/bench/report"
)

// shape is a series of n samples, one a second, of a server that holds 100 MB
// (ys are in KiB). at is the share of the time that has passed.
type shape func(r *rand.Rand, at float64) float64

const level = 100_000

func flat(*rand.Rand, float64) float64 { return level }

// leaking grows by a number of KiB over the series.
func leaking(growth float64) shape {
	return func(_ *rand.Rand, at float64) float64 { return growth * at }
}

func noisy(deviation float64) shape {
	return func(r *rand.Rand, _ float64) float64 { return deviation * r.NormFloat64() }
}

// sawtooth is a collector that lets garbage grow and takes it away.
func sawtooth(teeth, height float64) shape {
	return func(_ *rand.Rand, at float64) float64 {
		_, f := math.Modf(0.3 + teeth*at)
		return height * f
	}
}

// ramp grows until a share of the time has passed, then stays.
func ramp(until, height float64) shape {
	return func(_ *rand.Rand, at float64) float64 { return height * min(1, at/until) }
}

// filling grows ever more slowly.
func filling(constant, height float64) shape {
	return func(_ *rand.Rand, at float64) float64 { return height * (1 - math.Exp(-at/constant)) }
}

// stepUp is a pool that is made once.
func stepUp(when, height float64) shape {
	return func(_ *rand.Rand, at float64) float64 {
		if at < when {
			return 0
		}
		return height
	}
}

func draw(seed uint64, n int, shapes ...shape) (xs, ys []float64) {
	r := rand.New(rand.NewPCG(seed, 5))
	for i := range n {
		y := 0.0
		for _, s := range shapes {
			y += s(r, float64(i)/float64(n))
		}
		xs, ys = append(xs, float64(i)), append(ys, y)
	}
	return xs, ys
}

func TestSlopeFindsLeaks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		leak   bool
		shapes []shape
	}{
		{"constant", false, []shape{flat}},
		{"flat with noise", false, []shape{flat, noisy(500)}},
		{"falling", false, []shape{flat, noisy(500), leaking(-20_000)}},
		{"a clean line", true, []shape{flat, leaking(20_000)}},
		{"a leak in noise", true, []shape{flat, noisy(1000), leaking(5000)}},
		{"a leak below 0.5 %", false, []shape{flat, noisy(10), leaking(400)}},
		{"growth below the noise", false, []shape{flat, noisy(5000), leaking(3000)}},
		{"sawtooth of many teeth", false, []shape{flat, noisy(300), sawtooth(40, 30_000)}},
		{"sawtooth of few teeth", false, []shape{flat, noisy(300), sawtooth(5, 30_000)}},
		{"sawtooth of two teeth", false, []shape{flat, noisy(300), sawtooth(2, 30_000)}},
		{"sawtooth that leaks", true, []shape{flat, noisy(300), sawtooth(20, 30_000), leaking(30_000)}},
		{"ramp, then flat", false, []shape{flat, noisy(300), ramp(0.3, 50_000)}},
		{"long ramp, then flat", false, []shape{flat, noisy(300), ramp(0.5, 50_000)}},
		{"ramp, then a leak", true, []shape{flat, noisy(300), ramp(0.3, 50_000), leaking(5000)}},
		{"filling fast", false, []shape{flat, noisy(300), filling(0.05, 50_000)}},
		{"filling slowly", false, []shape{flat, noisy(300), filling(0.2, 50_000)}},
		{"ramp, then a sawtooth", false, []shape{flat, noisy(300), ramp(0.2, 50_000), sawtooth(20, 20_000)}},
		{"one step early", false, []shape{flat, noisy(300), stepUp(0.2, 20_000)}},
		{"one step in the middle", false, []shape{flat, noisy(300), stepUp(0.5, 20_000)}},
		{"one step late", false, []shape{flat, noisy(300), stepUp(0.8, 20_000)}},
		{"steep with a slow wave", true, []shape{flat, leaking(100_000), func(_ *rand.Rand, at float64) float64 { return 2000 * math.Sin(2*math.Pi*at) }}},
		{"a slow wave", false, []shape{flat, func(_ *rand.Rand, at float64) float64 { return -20_000 * math.Cos(2*math.Pi*at) }}},
		{"a staircase", true, []shape{flat, func(_ *rand.Rand, at float64) float64 { return 2000 * math.Floor(16*at) }}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{300, 1800} {
				xs, ys := draw(1, n, c.shapes...)
				if s := Slope("rss", "KiB/h", xs, ys); s.Leak != c.leak {
					t.Errorf("%d samples: got %+v, want leak %v", n, s, c.leak)
				}
			}
		})
	}
}

func TestSlopeOfALine(t *testing.T) {
	t.Parallel()
	xs, ys := draw(1, 361, flat, noisy(100))
	for i := range ys {
		ys[i] += 10 * xs[i] // 36,000 an hour
	}
	s := Slope("rss", "KiB/h", xs, ys)
	if s.What != "rss" || s.Unit != "KiB/h" || s.Samples != len(xs) {
		t.Errorf("got %+v", s)
	}
	if s.Low > 36_000 || s.High < 36_000 || s.High-s.Low > 2000 || s.PerHour != (s.Low+s.High)/2 {
		t.Errorf("got %v (%v to %v) an hour, want 36,000", s.PerHour, s.Low, s.High)
	}
	if math.Abs(s.First-level) > 50 || math.Abs(s.Last-level-3600) > 50 {
		t.Errorf("got from %v to %v, want %v to %v", s.First, s.Last, level, level+3600)
	}
}

// TestSlopeLeavesOutTheWarmup checks that the line is the one of the rest.
func TestSlopeLeavesOutTheWarmup(t *testing.T) {
	t.Parallel()
	xs, ys := draw(1, 1000, flat, noisy(100), ramp(0.3, 50_000), leaking(5000))
	s := Slope("rss", "KiB/h", xs, ys)
	if s.Samples > 700 || s.Samples < 600 {
		t.Errorf("got %d samples, want 700 or little less", s.Samples)
	}
	if want := 5000.0 / 1000 * 3600; s.Low > want || s.High < want {
		t.Errorf("got %v to %v an hour, want %v between them", s.Low, s.High, want)
	}
}

// TestSlopeOfToothInTheEnd has a warm-up rule that would cut off all but one
// tooth of a sawtooth, which is a clean line.
func TestSlopeOfToothInTheEnd(t *testing.T) {
	t.Parallel()
	for _, teeth := range []float64{1.3, 1.5, 1.7, 2, 2.5, 3} {
		for phase := 0.0; phase < 1; phase += 0.05 {
			xs, ys := draw(1, 600, flat, noisy(300), func(_ *rand.Rand, at float64) float64 {
				_, f := math.Modf(phase + teeth*at)
				return 30_000 * f
			})
			if s := Slope("rss", "KiB/h", xs, ys); s.Leak {
				t.Errorf("%v teeth, phase %.2f: %+v", teeth, phase, s)
			}
		}
	}
}

func TestSlopeOfFewSamples(t *testing.T) {
	t.Parallel()
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		xs, ys []float64
		want   report.Slope
	}{
		{nil, nil, report.Slope{}},
		{[]float64{1}, []float64{5}, report.Slope{Samples: 1, First: 5, Last: 5}},
		{[]float64{1, 2}, []float64{5, 7}, report.Slope{Samples: 2, First: 5, Last: 7}},
		{[]float64{3, 3, 3, 3}, []float64{5, 6, 7, 8}, report.Slope{Samples: 4, First: 5, Last: 8}},
		{[]float64{0, 1, 2, 3600, 7200}, []float64{nan, inf, -inf, 1, 2}, report.Slope{Samples: 2, First: 1, Last: 2}},
		{[]float64{0, 3600, 7200, 9999}, []float64{1, 2, 3}, report.Slope{Samples: 3, PerHour: 1, Low: 1, High: 1, First: 1, Last: 3}},
	} {
		if got := Slope("", "", c.xs, c.ys); got != c.want {
			t.Errorf("%v, %v: got %+v, want %+v", c.xs, c.ys, got, c.want)
		}
	}
	// However steep, ten samples are no proof.
	xs, ys := draw(1, 10, leaking(1e6))
	if s := Slope("", "", xs, ys); s.Leak {
		t.Errorf("ten samples: got %+v", s)
	}
}

// correlated is noise in which each sample depends on the one before.
func correlated(rho, deviation float64) shape {
	var e float64
	first := true
	return func(r *rand.Rand, _ float64) float64 {
		if first {
			e, first = deviation*r.NormFloat64(), false
		} else {
			e = rho*e + math.Sqrt(1-rho*rho)*deviation*r.NormFloat64()
		}
		return e
	}
}

// TestSlopeIntervalsHold counts, over many series with fixed seeds, how often
// the interval misses the true slope, which it may in 5 % of them, and how often
// a flat series counts as a leak.
func TestSlopeIntervalsHold(t *testing.T) {
	t.Parallel()
	const runs, n = 300, 400
	for _, rho := range []float64{0, 0.5, 0.9} {
		for _, growth := range []float64{0, 4000} {
			t.Run(fmt.Sprintf("rho=%v/growth=%v", rho, growth), func(t *testing.T) {
				t.Parallel()
				missed, leaks := 0, 0
				for seed := range uint64(runs) {
					xs, ys := draw(seed, n, flat, leaking(growth), correlated(rho, 1000))
					s := Slope("", "", xs, ys)
					if want := growth / n * 3600; s.Low > want || s.High < want {
						missed++
					}
					if s.Leak {
						leaks++
					}
				}
				// 8 %: the 5 % and twice the deviation of 300 draws.
				if missed > runs*8/100 {
					t.Errorf("%d of %d intervals missed the slope", missed, runs)
				}
				if growth == 0 && leaks > runs*4/100 {
					t.Errorf("%d of %d flat series leak", leaks, runs)
				}
				if growth > 0 && leaks < runs*85/100 {
					t.Errorf("%d of %d leaks were found", leaks, runs)
				}
			})
		}
	}
}

// TestSlopeHasNoUnits checks that the verdict does not depend on units or on
// where time begins.
func TestSlopeHasNoUnits(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		for _, growth := range []float64{0, 1000, 2000, 20_000} {
			xs, ys := draw(seed, 200, flat, leaking(growth), correlated(0.5, 1000), ramp(0.2, float64(seed)*300))
			s := Slope("", "", xs, ys)
			for i := range xs {
				xs[i] += 12_345
				ys[i] *= 1024
			}
			u := Slope("", "", xs, ys)
			near := func(a, b float64) bool { return math.Abs(a*1024-b) <= 1e-6*math.Abs(b) }
			if s.Leak != u.Leak || s.Samples != u.Samples || !near(s.PerHour, u.PerHour) || !near(s.Low, u.Low) || !near(s.High, u.High) {
				t.Fatalf("seed %d, growth %v: got %+v and %+v", seed, growth, s, u)
			}
		}
	}
}

func TestStudentT(t *testing.T) {
	t.Parallel()
	for freedom, want := range map[float64]float64{1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 10: 2.228, 30: 2.042, 1000: 1.962} {
		if got := studentT(freedom); math.Abs(got-want) > 0.01*want {
			t.Errorf("%v: got %v, want %v", freedom, got, want)
		}
	}
	for f := -1.0; f < 100; f += 0.1 {
		if studentT(f+0.1) > studentT(f) {
			t.Errorf("it grows at %v", f)
		}
	}
}

func FuzzSlope(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23})
	f.Add([]byte{})
	f.Add([]byte{255, 255, 0, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		var xs, ys []float64
		for i, v := range b {
			xs, ys = append(xs, float64(i)), append(ys, math.Ldexp(float64(v), int(v)%64-32))
		}
		s := Slope("", "", xs, ys)
		if _, err := json.Marshal(s); err != nil {
			t.Fatalf("%v: %+v: %v", b, s, err)
		}
		if s.Low > s.PerHour || s.High < s.PerHour || s.Leak && (s.Low <= 0 || s.Last <= s.First) {
			t.Errorf("%v: got %+v", b, s)
		}
	})
}
