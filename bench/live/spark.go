package live

import (
	"math"
	"strings"
)

var sparks = []rune("▁▂▃▄▅▆▇█")

// spark draws the last values as bars of one cell each, from 0 to the highest
// of them. What there is no value for yet stays blank on the left, so that the
// newest stands in the same place.
func spark(values []float64, width int) string {
	if len(values) > width {
		values = values[len(values)-width:]
	}
	var highest float64
	for _, v := range values {
		highest = max(highest, v)
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", width-len(values)))
	for _, v := range values {
		i := 0
		if highest > 0 && v > 0 {
			i = min(int(v/highest*float64(len(sparks))), len(sparks)-1)
		}
		b.WriteRune(sparks[i])
	}
	return b.String()
}

// bar draws a share from 0 to 1, to an eighth of a cell.
func bar(share float64, width int) string {
	if math.IsNaN(share) {
		share = 0
	}
	eighths := int(min(max(share, 0), 1) * float64(width) * 8)
	full, part := eighths/8, eighths%8
	s := strings.Repeat("█", full)
	if part > 0 {
		s += string([]rune(" ▏▎▍▌▋▊▉")[part])
		full++
	}
	return s + strings.Repeat("░", width-full)
}
