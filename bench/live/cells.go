package live

import "math"

// label is the first column of a block.
func (v *view) label(text string) cell {
	return cell{text: left("  "+text, labelWidth+2), style: v.faint}
}

// graph draws the last minute in what room is left.
func (v *view) graph(past series) cell {
	return cell{fill: func(w int) string { return spark(past, w) }, least: 8, most: minute, style: v.accent, rank: 9}
}

// bad0 is a count that should be 0.
func (v *view) bad0(n int64, what string, rank int) cell {
	style := v.faint
	if n > 0 {
		style = v.bad
	}
	return cell{text: count(n) + " " + what, style: style, rank: rank}
}

// signed writes a rate of change: +1,000.
func signed(v float64) string { return "+" + count(int64(math.Round(v))) }
