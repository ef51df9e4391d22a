package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"carillon/bench/stats"

	"github.com/mattn/go-runewidth"
)

func textOf(t *testing.T, r *Report, opt TextOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := Text(&b, r, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTextGolden(t *testing.T) {
	t.Parallel()
	golden(t, "full.txt", []byte(textOf(t, sample(1, 1), TextOptions{})))
	golden(t, "wide.txt", []byte(textOf(t, sample(1, 1), TextOptions{Width: 140})))
	golden(t, "color.txt", []byte(textOf(t, sample(1, 1), TextOptions{Color: true})))
	golden(t, "small.txt", []byte(textOf(t, small(), TextOptions{})))
	golden(t, "error.txt", []byte(textOf(t, &Report{Name: "nothing", Verdict: Errored, Reasons: []string{"127.0.0.1:1: connection refused"}}, TextOptions{})))
}

func TestTextFits(t *testing.T) {
	t.Parallel()
	r := hostile()
	for _, width := range []int{0, 80, 97, 133, 200} {
		limit := max(width, 80)
		for i, line := range strings.Split(textOf(t, r, TextOptions{Width: width}), "\n") {
			if w := runewidth.StringWidth(line); w > limit {
				t.Fatalf("width %d: line %d is %d wide: %q", width, i+1, w, line)
			}
		}
	}
}

func TestTextHostile(t *testing.T) {
	t.Parallel()
	text := textOf(t, hostile(), TextOptions{})
	if strings.ContainsAny(text, "\x1b\x07\r\x00\u202e") {
		t.Errorf("control characters of the server are written: %q", text)
	}
}

// hostile is a report of a server, a plan and a host that mean harm.
func hostile() *Report {
	evil := "\x1b[31m\u202e</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">" +
		"'\"`${x}{{.}}]]><!-- \x00\x07\x1b[2J\x1b]0;t\x07\r\n\u202e\u2028\xff\xfe " + strings.Repeat("長い", 60)
	r := sample(1, 1)
	r.Name, r.ID = evil, evil
	r.Plan, _ = json.Marshal(map[string]string{"name": evil})
	r.Command = []string{evil}
	r.Warnings, r.Reasons = []string{evil}, []string{evil}
	for i := range r.Scenarios {
		s := &r.Scenarios[i]
		s.Name, s.Target, s.Kind = evil, "javascript:"+evil, evil
		s.Measured.Cause(stats.Closed, evil, 1<<40)
		for j := range s.Storms {
			s.Storms[j].Backoff = evil
		}
		for j := range s.Leak {
			s.Leak[j].What = evil
		}
		for j := range s.Series {
			s.Series[j].Phase = evil
		}
	}
	r.Search.Reason, r.Search.Steps[0].Note, r.Search.Of = evil, evil, evil
	for i := range r.Checks {
		r.Checks[i].Expression, r.Checks[i].Text, r.Checks[i].Scenario = evil, evil, evil
	}
	r.Servers[0].Source, r.Servers[0].Missing = evil, []string{evil}
	r.Environment.Host, r.Environment.Sysctls = evil, map[string]string{evil: evil}
	r.Environment.Agents = []Environment{{Host: evil}}
	return r
}

type brokenWriter struct{}

var errBroken = errors.New("broken pipe")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestTextWriteError(t *testing.T) {
	t.Parallel()
	if err := Text(brokenWriter{}, small(), TextOptions{}); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	tests := []struct{ got, want string }{
		{grouped(0), "0"}, {grouped(999), "999"}, {grouped(12345), "12,345"}, {grouped(-1234567), "-1,234,567"},
		{millis(0), "0 ms"}, {millis(1.234), "1.23 ms"}, {millis(.0205), "20.5 µs"}, {millis(999.9), "1 s"}, {millis(.9996), "1 ms"},
		{millis(12345), "12.3 s"}, {millis(125000), "2m5s"}, {millis(.0001), "100 ns"},
		{inBytes(0), "0 B"}, {inBytes(842), "842 B"}, {inBytes(1023), "1,023 B"}, {inBytes(34.5 * mebi), "34.5 MiB"}, {inBytes(5000 * tebi), "5,000 TiB"},
		{each(12345.4), "12,345/s"}, {each(4.02), "4.02/s"}, {each(.0333333), "0.0333/s"},
		{percent(0), "0 %"}, {percent(1), "100 %"}, {percent(.999999), "99.9999 %"}, {percent(.001234), "0.123 %"}, {percent(1e-9), "1e-07 %"},
		{digits3(9.999), "10"}, {digits3(99.96), "100"}, {digits3(-5.5), "-5.5"}, {digits3(.99951), "1"},
	}
	for i, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%d: got %q, want %q", i, tt.got, tt.want)
		}
	}
}
