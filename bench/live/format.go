package live

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// count writes a number with separators of thousands: 1,234,567. From ten
// million on it has a unit: 12.3M. It takes nine cells at most.
func count(n int64) string {
	if n < 0 {
		return "-" + count(-max(n, -math.MaxInt64))
	}
	if n >= 10_000_000 {
		return short(float64(n))
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// short writes a number in five cells at most: 987, 1.23k, 12.3M.
func short(v float64) string {
	unit := 0
	for ; math.Abs(v) >= 999.5 && unit < len(units)-1; unit++ {
		v /= 1000
	}
	if unit == 0 {
		return strconv.FormatFloat(math.Round(v), 'f', -1, 64)
	}
	return three(v) + units[unit]
}

var units = [...]string{"", "k", "M", "G", "T", "P", "E"}

// three writes three significant digits: 0.123, 1.23, 12.3, 123.
func three(v float64) string {
	switch a := math.Abs(v); {
	case a >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 0.9995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v == 0:
		return "0"
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// number writes a duration given in milliseconds, without its unit: 0.123, 12.3, 1,234.
func number(ms float64) string {
	if ms >= 999.5 {
		return count(int64(math.Round(ms)))
	}
	return three(ms)
}

// millis writes a duration given in milliseconds, with its unit: 12.3 ms.
func millis(ms float64) string { return number(ms) + " ms" }

// size writes bytes: 512 B, 1.23 MiB.
func size(bytes int64) string {
	v, unit := float64(bytes), 0
	for ; v >= 1023.5 && unit < len(sizes)-1; unit++ {
		v /= 1024
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", bytes)
	}
	return three(v) + " " + sizes[unit]
}

var sizes = [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}

// clock writes seconds as 1:23 or 1:02:03.
func clock(seconds float64) string {
	d := time.Duration(max(seconds, 0) * float64(time.Second)).Truncate(time.Second)
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	if h > 0 {
		return fmt.Sprintf("%d:%02d:%02d", h, m, s)
	}
	return fmt.Sprintf("%d:%02d", m, s)
}

// span writes a length of time in the unit that suits it: 12 s, 5:00.
func span(seconds float64) string {
	if seconds < 120 {
		return fmt.Sprintf("%.0f s", math.Floor(seconds))
	}
	return clock(seconds)
}
