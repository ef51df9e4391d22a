package report

import (
	"cmp"
	"math"
	"slices"

	"carillon/bench/stats"
)

// What tells a change from noise. All tests are two-sided at 1 %.

// critical is the standard normal deviate of a two-sided test at 1 %.
const critical = 2.5758

// fewest are the values that each side of a rank test needs: below it no
// difference is significant at 1 %.
const fewest = 5

// differ says whether two series differ, by the rank test of Mann and Whitney:
// it asks only for the order of values, so that a single bad second does not
// count for more than one. Seconds that follow each other are alike; the test
// counts that many fewer. It is false when there are too few values.
func differ(a, b []float64) bool {
	return math.Abs(rankDeviate(a, b)) > critical
}

// rankDeviate is the normal deviate of the rank sum of b among both: positive
// when b is greater.
func rankDeviate(a, b []float64) float64 {
	n, m := float64(len(a)), float64(len(b))
	if len(a) < fewest || len(b) < fewest {
		return 0
	}
	type value struct {
		v float64
		b bool
	}
	var all []value
	for _, v := range a {
		all = append(all, value{v, false})
	}
	for _, v := range b {
		all = append(all, value{v, true})
	}
	slices.SortFunc(all, func(x, y value) int { return cmp.Compare(x.v, y.v) })
	var sum, ties float64
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		rank := float64(i+j+1) / 2 // the mean of i+1 … j
		for _, v := range all[i:j] {
			if v.b {
				sum += rank
			}
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	total := n + m
	variance := n * m / 12 * (total + 1 - ties/(total*(total-1)))
	if variance <= 0 {
		return 0
	}
	u := sum - m*(m+1)/2 - n*m/2
	rho := (n*dependence(a) + m*dependence(b)) / total
	return u / math.Sqrt(variance) * math.Sqrt((1-rho)/(1+rho))
}

// dependence is the correlation of each value with the next, 0 to 0.9.
func dependence(v []float64) float64 {
	var mean float64
	for _, x := range v {
		mean += x / float64(len(v))
	}
	var square, product float64
	for i, x := range v {
		square += (x - mean) * (x - mean)
		if i > 0 {
			product += (x - mean) * (v[i-1] - mean)
		}
	}
	if square == 0 {
		return 0
	}
	return min(max(product/square, 0), .9)
}

// quantilesDiffer says whether a quantile of two histograms differs: whether
// its confidence intervals, by the order statistics that bound it, are apart.
// The maximum has no such interval and never differs.
func quantilesDiffer(a, b *stats.Hist, q float64) bool {
	lowA, highA := quantileBounds(a, q)
	lowB, highB := quantileBounds(b, q)
	return highA < lowB || highB < lowA
}

func quantileBounds(h *stats.Hist, q float64) (low, high float64) {
	n := float64(h.Count())
	if n == 0 || q >= 1 {
		return 0, math.Inf(1)
	}
	half := critical * math.Sqrt(q*(1-q)/n)
	low = float64(h.Quantile(max(q-half, 0)))
	if high = math.Inf(1); q+half < 1 {
		high = float64(h.Quantile(q + half))
	}
	return low, high
}

// sharesDiffer says whether two shares, of n in of, differ: whether their
// confidence intervals (Wilson's) are apart.
func sharesDiffer(n1, of1, n2, of2 float64) bool {
	low1, high1 := shareBounds(n1, of1)
	low2, high2 := shareBounds(n2, of2)
	return high1 < low2 || high2 < low1
}

func shareBounds(n, of float64) (low, high float64) {
	if of <= 0 {
		return 0, 1
	}
	p, z2 := min(n/of, 1), critical*critical
	center := p + z2/(2*of)
	half := critical * math.Sqrt(p*(1-p)/of+z2/(4*of*of))
	return (center - half) / (1 + z2/of), (center + half) / (1 + z2/of)
}
