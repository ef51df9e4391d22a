package report

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// none stands where there is no figure.
const none = "–"

// grouped writes an integer with commas: 12,345.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// digits3 writes v with three significant digits, and all digits before the
// point.
func digits3(v float64) string {
	a := math.Abs(v)
	places := 2
	switch {
	case a >= 99.95:
		return grouped(int64(math.Round(v)))
	case a >= 9.995:
		places = 1
	case a > 0 && a < 1:
		places = min(2-int(math.Floor(math.Log10(a))), 12)
	}
	s := strconv.FormatFloat(v, 'f', places, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// millis writes a duration given in milliseconds.
func millis(ms float64) string {
	switch {
	case ms == 0:
		return "0 ms"
	case math.Abs(ms) < 1e-3:
		return digits3(ms*1e6) + " ns"
	case math.Abs(ms) < .9995:
		return digits3(ms*1e3) + " µs"
	case math.Abs(ms) < 999.5:
		return digits3(ms) + " ms"
	default:
		return inSeconds(ms / 1e3)
	}
}

// inSeconds writes a duration given in seconds.
func inSeconds(s float64) string {
	if s < 120 {
		return digits3(s) + " s"
	}
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

// inBytes writes a size.
func inBytes(n float64) string {
	names := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for math.Abs(n) >= 1023.5 && i < len(names)-1 {
		n /= 1024
		i++
	}
	return digits3(n) + " " + names[i]
}

// each writes a rate.
func each(perSecond float64) string { return digits3(perSecond) + "/s" }

// percent writes a share of 0 to 1. What is not nothing does not look like it.
func percent(share float64) string {
	p := share * 100
	switch {
	case p == 0:
		return "0 %"
	case math.Abs(p) < .0005:
		return strconv.FormatFloat(p, 'g', 2, 64) + " %"
	case p < 100 && p > 99.95: // 99.9999 % is not all
		s := strconv.FormatFloat(math.Floor(p*1e5)/1e5, 'f', 5, 64)
		return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + " %"
	default:
		return digits3(p) + " %"
	}
}

// shareOfTotal writes n as a share of total.
func shareOfTotal(n, total int64) string {
	if total == 0 {
		return none
	}
	return percent(float64(n) / float64(total))
}

// plain makes text of a server safe to show: control characters, which could
// move a terminal's cursor or break XML, and what is not UTF-8 become visible.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r == utf8Error || !unicode.IsGraphic(r):
			return utf8Error
		default:
			return r
		}
	}, s)
}

const utf8Error = '\uFFFD'
