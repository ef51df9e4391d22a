package watch

import (
	"math"

	"carillon/bench/report"
)

// How a series is told to leak.
const (
	// warmupStep and warmupMost: the beginning that is left out is a whole number
	// of twentieths, and half of the series at most.
	warmupStep = 20
	warmupMost = 10

	// warmupGain is by how much leaving out more has to pay. Without it a few
	// lucky samples would be a warm-up.
	warmupGain = 0.8

	// leakSamples is how many samples have to be left to call anything a leak.
	leakSamples = 20

	// leakLevel is the growth, as a share of the level, below which nothing is a
	// leak: pages, pools and arenas settle.
	leakLevel = 0.005

	// slowing is the share of the first half's slope that the second half's has
	// to reach, give or take its standard error. A leak goes on; what slows down
	// is still warming up.
	slowing = 0.6
)

// Slope fits a line to a series by least squares and decides whether it leaks.
// xs are seconds, in order; ys are in any unit, and unit is that of the slope:
// "KiB/h" for ys in KiB. Samples that are not finite are left out.
//
// The warm-up is left out first: of the cuts after 0, 5, … 50 % of the samples
// the one with the least residual variance over samples left wins, if it gains a
// fifth. Nothing is left out when the part to leave out falls by more than half
// of what the rest grows: such a series may be a sawtooth, and one tooth of it
// is no leak.
//
// The confidence interval is for samples that depend on each other, as those of
// memory do: the residuals' correlation from one to the next gives the number of
// independent samples that they are worth (Santer et al., J. Geophys. Res. 105,
// 2000), with the bias of short series corrected.
//
// It is a leak when the interval lies above 0, and the growth of the line is
// above the standard deviation of the residuals and 0.5 % of the level, and the
// second half of the series grows at 60 % of the rate of the first at least,
// within its standard error. Fewer than 20 samples show none.
func Slope(what, unit string, xs, ys []float64) report.Slope {
	xs, ys = finite(xs, ys)
	s := report.Slope{What: what, Unit: unit, Samples: len(xs)}
	if len(xs) < 3 || xs[0] == xs[len(xs)-1] {
		if len(ys) > 0 {
			s.First, s.Last = ys[0], ys[len(ys)-1]
		}
		return s
	}
	cut := warmup(xs, ys)
	if cut > 0 && fall(ys, cut) > grown(xs[cut:], ys[cut:])/2 {
		cut = 0
	}
	xs, ys = xs[cut:], ys[cut:]

	l := fit(xs, ys)
	const hour = 3600
	bound := l.bound()
	s.Samples = len(xs)
	s.PerHour, s.Low, s.High = l.slope*hour, (l.slope-bound)*hour, (l.slope+bound)*hour
	s.First, s.Last = l.at(xs[0]), l.at(xs[len(xs)-1])

	growth := s.Last - s.First
	s.Leak = len(xs) >= leakSamples && s.Low > 0 &&
		growth > l.noise() && growth > leakLevel*math.Abs(l.meanY) && !slows(xs, ys)
	return s
}

// finite leaves out the samples that are not numbers, and what has no partner.
func finite(xs, ys []float64) (x, y []float64) {
	for i := range min(len(xs), len(ys)) {
		if !math.IsNaN(xs[i]+ys[i]) && !math.IsInf(xs[i]+ys[i], 0) {
			x = append(x, xs[i])
			y = append(y, ys[i])
		}
	}
	return x, y
}

// warmup returns how many samples at the beginning do not belong to the line
// through the others.
func warmup(xs, ys []float64) int {
	score := func(cut int) float64 {
		n := float64(len(xs) - cut)
		return fit(xs[cut:], ys[cut:]).residue / (n * n)
	}
	best, cut := score(0), 0
	for i := 1; i <= warmupMost; i++ {
		c := len(xs) * i / warmupStep
		if len(xs)-c < leakSamples {
			break
		}
		if v := score(c); v < warmupGain*best {
			best, cut = v, c
		}
	}
	return cut
}

// fall is how far a series comes down at most, to just after the cut. It looks
// at the means of twentieths, for single samples always fall.
func fall(ys []float64, cut int) float64 {
	top, deepest := math.Inf(-1), 0.0
	for i, from := 0, 0; from <= cut; i++ {
		to := len(ys) * (i + 1) / warmupStep
		var mean float64
		for _, y := range ys[from:to] {
			mean += y / float64(to-from)
		}
		top = max(top, mean)
		deepest = max(deepest, top-mean)
		from = to
	}
	return deepest
}

// grown is how much the line through a series rises.
func grown(xs, ys []float64) float64 {
	l := fit(xs, ys)
	return l.at(xs[len(xs)-1]) - l.at(xs[0])
}

// slows says whether the second half of a series grows so much more slowly than
// the first that it is going to stop.
func slows(xs, ys []float64) bool {
	half := len(xs) / 2
	if half < 3 {
		return false
	}
	a, b := fit(xs[:half], ys[:half]), fit(xs[half:], ys[half:])
	return b.slope+b.standardError() < slowing*a.slope
}

// line is a least-squares line and how well it fits.
type line struct {
	meanX, meanY float64
	slope        float64
	spread       float64 // sum of (x - meanX)²
	residue      float64 // sum of squared residuals
	samples      float64
	effective    float64 // independent ones that they are worth
}

func (l *line) at(x float64) float64 { return l.meanY + l.slope*(x-l.meanX) }

// fit needs two samples at least.
func fit(xs, ys []float64) line {
	n := float64(len(xs))
	l := line{samples: n}
	for i := range xs {
		l.meanX += xs[i] / n
		l.meanY += ys[i] / n
	}
	var both float64
	for i := range xs {
		dx := xs[i] - l.meanX
		l.spread += dx * dx
		both += dx * (ys[i] - l.meanY)
	}
	if l.spread > 0 {
		l.slope = both / l.spread
	}
	var next, before float64
	for i := range xs {
		e := ys[i] - l.at(xs[i])
		l.residue += e * e
		if i > 0 {
			next += e * before
		}
		before = e
	}
	l.effective = n
	if rounding := 1e-12 * l.meanY; l.residue > n*rounding*rounding {
		// A short series with a line taken out shows less correlation than it has.
		rho := next / l.residue
		rho = min(max(rho+(2+4*rho)/n, 0), 1)
		l.effective = n * (1 - rho) / (1 + rho)
	}
	return l
}

// noise is the standard deviation of the samples about the line.
func (l *line) noise() float64 { return math.Sqrt(l.residue / max(1, l.samples-2)) }

// standardError is the standard error of the slope.
func (l *line) standardError() float64 {
	if l.spread == 0 {
		return 0
	}
	return math.Sqrt(l.residue / max(1, l.effective-2) / l.spread)
}

// bound is half the width of the slope's 95 % confidence interval.
func (l *line) bound() float64 { return studentT(l.effective-2) * l.standardError() }

// studentT is the 97.5 % point of Student's distribution, for the degrees of
// freedom that n-2 leaves, at least one: the expansion of Cornish and Fisher
// (Abramowitz and Stegun, 26.7.5) from 3 on, exact below.
func studentT(freedom float64) float64 {
	const z = 1.959963984540054
	switch {
	case freedom < 2:
		return 12.706
	case freedom < 3:
		return 4.303
	}
	z2 := z * z
	g1 := z * (z2 + 1) / 4
	g2 := z * (5*z2*z2 + 16*z2 + 3) / 96
	g3 := z * (3*z2*z2*z2 + 19*z2*z2 + 17*z2 - 15) / 384
	return z + g1/freedom + g2/(freedom*freedom) + g3/(freedom*freedom*freedom)
}
