package stats

import (
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []int
		want   int
	}{
		{[]int{7}, 7}, {[]int{9, 1}, 9}, {[]int{3, 1, 2}, 2}, {[]int{4, 4, 1, 9}, 4},
	} {
		given := slices.Clone(c.values)
		if got := Median(c.values); got != c.want || !slices.Equal(c.values, given) {
			t.Errorf("of %v: got %d, want %d, and %v is left", given, got, c.want, c.values)
		}
	}
}
