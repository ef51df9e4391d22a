package scaling

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Table is one of the tables of docs/scaling.md.
type Table struct {
	Name string
	Head []string
	Rows [][]string
}

// WriteMarkdown writes the table.
func (t Table) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.Head)
	b.WriteString("|" + strings.Repeat("---|", len(t.Head)) + "\n")
	for _, row := range t.Rows {
		line(row)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) add(cells ...string) { t.Rows = append(t.Rows, cells) }

// number writes three significant digits, with separators between thousands.
func number(v float64) string {
	if v == 0 {
		return "0"
	}
	if a := math.Abs(v); a < 1000 {
		digits := max(2-int(math.Floor(math.Log10(a))), 0)
		text := strconv.FormatFloat(v, 'f', digits, 64)
		if strings.Contains(text, ".") {
			text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
		}
		return text
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-2)
	return whole(math.Round(v/unit) * unit)
}

// whole writes an integer with separators between thousands.
func whole(v float64) string {
	text := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// size writes bytes.
func size(v float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for ; v >= 1024 && i < len(units)-1; i++ {
		v /= 1024
	}
	return number(v) + " " + units[i]
}

// bits writes bytes a second as bits a second.
func bits(v float64) string {
	v *= 8
	switch {
	case v >= 1e9:
		return number(v/1e9) + " Gbit/s"
	case v >= 1e6:
		return number(v/1e6) + " Mbit/s"
	default:
		return number(v/1e3) + " kbit/s"
	}
}

// span writes seconds.
func span(seconds float64) string {
	switch d := time.Duration(seconds * float64(time.Second)); {
	case d >= time.Second:
		return number(seconds) + " s"
	case d >= time.Millisecond:
		return number(seconds*1e3) + " ms"
	default:
		return number(seconds*1e6) + " µs"
	}
}

// percent writes a share.
func percent(v float64) string { return number(v*100) + " %" }
