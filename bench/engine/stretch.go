package engine

// stretch is the part of a run that an event loop or a process has, as a piece
// [lo, hi) of a circle of length 1<<32. Numbers 0, 1, 2, … go round the circle in
// steps of the golden ratio, which never favours any piece of it: every piece
// gets its share of them, evenly mixed with the others.
type stretch struct{ lo, hi uint64 }

const (
	circle = 1 << 32
	golden = 0x9E3779B9 // of the circle, odd: all 1<<32 places are met before the first is again
)

// whole is all of a run.
var whole = stretch{0, circle}

func (s stretch) empty() bool { return s.lo >= s.hi }

// share is its size, from 0 to 1.
func (s stretch) share() float64 { return float64(s.hi-s.lo) / circle }

// part is what of s lies between from and to of total.
func (s stretch) part(from, to, total int) stretch {
	if total <= 0 {
		return stretch{}
	}
	at := func(n int) uint64 { return s.lo + (s.hi-s.lo)*uint64(n)/uint64(total) }
	return stretch{at(from), at(to)}
}

// has tells whether the k-th number is in s.
func (s stretch) has(k uint64) bool {
	h := k * golden & (circle - 1)
	return s.lo <= h && h < s.hi
}

// count is how many of the numbers below n are in s.
func (s stretch) count(n uint64) uint64 {
	rounds, rest := n>>32, n&(circle-1)
	return rounds*(s.hi-s.lo) + below(rest, s.hi) - below(rest, s.lo)
}

// below counts the k < n with k*golden mod circle < w. n < circle.
func below(n, w uint64) uint64 {
	// [x mod m < w] is floor(x/m) - floor((x-w)/m).
	return floorSum(n, golden, 0) + n - floorSum(n, golden, circle-w)
}

// floorSum is the sum of floor((a*k + b) / circle) over k < n, modulo 1<<64, by
// the steps of Euclid's algorithm. n and a are below circle, b is at most circle.
func floorSum(n, a, b uint64) (sum uint64) {
	for m := uint64(circle); ; {
		sum += n*(n-1)/2*(a/m) + n*(b/m)
		a, b = a%m, b%m
		y := a*n + b
		if y < m {
			return sum
		}
		n, b = y/m, y%m
		a, m = m, a
	}
}
