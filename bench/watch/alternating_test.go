package watch

import "testing"

// TestAlternating has samples that alternate about a line count for no fewer than independent ones.
func TestAlternating(t *testing.T) {
	for _, n := range []int{24, 60, 360} {
		var xs, ys []float64
		for i := range n {
			xs = append(xs, float64(10*i))
			ys = append(ys, 20_000+30*float64(i)*24/float64(n)+60*float64(1-2*(i%2)))
		}
		l := fit(xs, ys)
		s := Slope("rss", "KiB/h", xs, ys)
		if l.effective < 2 || !s.Leak {
			t.Errorf("n %d: effective %.1f, leak %v", n, l.effective, s.Leak)
		}
	}
}
