package stats

import (
	"cmp"
	"slices"
)

// Median is the middle of values, one at least, and the upper one of two.
func Median[T cmp.Ordered](values []T) T {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
