package live

import (
	"math"
	"testing"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(1234567), "1,234,567"},
		{count(9999999), "9,999,999"}, {count(10_000_000), "10.0M"}, {count(-1234), "-1,234"}, {count(math.MinInt64), "-9.22E"},
		{short(0), "0"}, {short(999.4), "999"}, {short(999.5), "1.00k"}, {short(12345), "12.3k"}, {short(2.5e9), "2.50G"},
		{three(0), "0"}, {three(0.0004), "0.000"}, {three(0.1234), "0.123"}, {three(1.234), "1.23"}, {three(99.96), "100"},
		{number(0.12), "0.120"}, {number(999.6), "1,000"}, {number(3_600_000), "3,600,000"},
		{size(0), "0 B"}, {size(1023), "1023 B"}, {size(1024), "1.00 KiB"}, {size(5 << 30), "5.00 GiB"},
		{clock(-1), "0:00"}, {clock(59.9), "0:59"}, {clock(3661), "1:01:01"},
		{span(12.7), "12 s"}, {span(300), "5:00"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestSpark(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{spark(nil, 3), "   "}, {spark(series{0, 0}, 3), " ▁▁"}, {spark(series{9, 1, 4, 8}, 3), "▂▅█"},
		{bar(0, 4), "░░░░"}, {bar(1, 4), "████"}, {bar(0.54, 4), "██▏░"}, {bar(7, 2), "██"}, {bar(math.NaN(), 0), ""},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"close 1013 slow consumer", "\x1b[2J", "a\r\nb", "\u202eevil", "\xff\xfe", "grüß 日本", "\u2028", "\x9b31m"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || (unicode.IsSpace(r) && r != ' ') {
				t.Errorf("%q became %q, with %q in it", s, got, r)
			}
		}
		if again := clean(got); again != got {
			t.Errorf("%q became %q, and that %q", s, got, again)
		}
		if ansi.Strip(got) != got {
			t.Errorf("%q became %q, which a terminal obeys", s, got)
		}
	})
}
