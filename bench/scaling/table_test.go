package scaling

import (
	"strings"
	"testing"
)

func TestFormats(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"0": number(0), "0.00123": number(0.001234), "0.5": number(0.5), "12.3": number(12.34), "999": number(999),
		"1,230": number(1234), "123,000": number(123_456), "100": number(100), "10": number(10), "-1,230": number(-1234), "-12.3": number(-12.34),
		"1,234,567": whole(1_234_567), "123": whole(123), "-123,456": whole(-123_456),
		"1.5 KiB": size(1536), "2 B": size(2), "64 GiB": size(64 << 30),
		"8 kbit/s": bits(1000), "10 Gbit/s": bits(1.25e9), "8 Mbit/s": bits(1e6),
		"2 s": span(2), "1.5 ms": span(0.0015), "250 µs": span(0.00025), "12.5 %": percent(0.125),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	names := make(map[string]bool)
	for _, table := range Tables(Default()) {
		if names[table.Name] || len(table.Rows) == 0 {
			t.Errorf("table %q: seen before, or without rows", table.Name)
		}
		names[table.Name] = true
		for _, row := range table.Rows {
			if len(row) != len(table.Head) {
				t.Errorf("%s: a row of %d cells under %d", table.Name, len(row), len(table.Head))
			}
			if text := strings.Join(row, " "); strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
				t.Errorf("%s: %s", table.Name, text)
			}
		}
	}
}

// TestCosts: every figure says what it is and where it is from.
func TestCosts(t *testing.T) {
	t.Parallel()
	for i, f := range Default().Table() {
		if f.What == "" || f.Value <= 0 || f.Source == "" {
			t.Errorf("figure %d is not complete: %+v", i, f)
		}
	}
}
