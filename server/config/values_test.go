package config

import (
	"errors"
	"math"
	"reflect"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		want time.Duration
		err  error
	}{
		{"60s", time.Minute, nil},
		{"1m30s", 90 * time.Second, nil},
		{"30000", 30 * time.Second, nil},
		{"0", 0, nil},
		{" 500ms ", 500 * time.Millisecond, nil},
		{"2H", 2 * time.Hour, nil},
		{"1d", 24 * time.Hour, nil},
		{"1.5s", 1500 * time.Millisecond, nil},
		{"9223372036854", 9223372036854 * time.Millisecond, nil},
		{"9223372036855", 0, errDurationRange},
		{"99999999999999999999", 0, errDurationRange},
		{"106752d", 0, errDurationRange},
		{"-1s", 0, errDurationRange},
		{"-1", 0, errDuration},
		{"", 0, errDuration},
		{"d", 0, errDuration},
		{"3 parsecs", 0, errDuration},
		{"1e3", 0, errDuration},
	} {
		got, err := ParseDuration(tt.in)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ParseDuration(%q): got %v, %v, want %v, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		want Size
		err  error
	}{
		{"65536", 64 * KiB, nil},
		{"64KiB", 64 * KiB, nil},
		{"64KB", 64 * KiB, nil},
		{"64 kb", 64 * KiB, nil},
		{"1MB", MiB, nil},
		{"1m", MiB, nil},
		{"2GiB", 2 * GiB, nil},
		{"10B", 10, nil},
		{"0", 0, nil},
		{"9223372036854775807", math.MaxInt, nil},
		{"9223372036854775808", 0, errSizeRange},
		{"8589934592GiB", 0, errSizeRange},
		{"", 0, errSize},
		{"KiB", 0, errSize},
		{"-1", 0, errSize},
		{"1.5MiB", 0, errSize},
		{"1TB", 0, errSize},
		{"1 0", 0, errSize},
	} {
		got, err := ParseSize(tt.in)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ParseSize(%q): got %d, %v, want %d, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h", 24 * time.Hour: "24h",
		61 * time.Minute: "1h1m", time.Hour + time.Second: "1h0m1s", 10 * time.Minute: "10m", 1500 * time.Millisecond: "1.5s",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%d): got %s, want %s", d, got, want)
		}
	}
	for s, want := range map[Size]string{0: "0B", 100: "100B", KiB: "1KiB", 1025: "1025B", 64 * KiB: "64KiB", MiB: "1MiB", 3 * GiB: "3GiB"} {
		if got := s.String(); got != want {
			t.Errorf("Size(%d): got %s, want %s", int(s), got, want)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"60s", "1m30s", "30000", "1d", "0", "1h0m1s", "9223372036854", "2562047h47m16.854775807s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		d, err := ParseDuration(in)
		if err != nil {
			return
		}
		if d < 0 {
			t.Fatalf("%q is %v", in, d)
		}
		if again, err := ParseDuration(FormatDuration(d)); err != nil || again != d {
			t.Fatalf("%q is %v, written %s, read back as %v, %v", in, d, FormatDuration(d), again, err)
		}
	})
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"64KiB", "1 MB", "0", "8191PiB", "9223372036854775807", "1g"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		n, err := ParseSize(in)
		if err != nil {
			return
		}
		if n < 0 {
			t.Fatalf("%q is %d", in, int(n))
		}
		if again, err := ParseSize(n.String()); err != nil || again != n {
			t.Fatalf("%q is %d, written %v, read back as %d, %v", in, int(n), n, int(again), err)
		}
	})
}

func TestAsMap(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		in   any
		want map[string]string
		ok   bool
	}{
		{"pairs", "a=1, b=2", map[string]string{"a": "1", "b": "2"}, true},
		{"token that ends in =", "Zm9v===10001", map[string]string{"Zm9v==": "10001"}, true},
		{"empty", " ", nil, true},
		{"no user", "a=", nil, false},
		{"no token", "=1", nil, false},
		{"no =", "a", nil, false},
		{"a list", []string{"a"}, nil, false},
	} {
		got, err := asMap(tt.in)
		if (err == nil) != tt.ok || tt.ok && !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %v, %v, want %v, ok %v", tt.name, got, err, tt.want, tt.ok)
		}
	}
}
