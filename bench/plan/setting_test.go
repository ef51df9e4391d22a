package plan

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/pflag"
)

// TestEveryMemberIsDescribed looks at the structs themselves, so that no member escapes the tables.
func TestEveryMemberIsDescribed(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	for _, s := range sections {
		for i := range s.typ.NumField() {
			f := s.typ.Field(i)
			key, json := f.Tag.Get("yaml"), strings.TrimSuffix(f.Tag.Get("json"), ",omitempty")
			if key == "-" {
				continue
			}
			if !name.MatchString(key) || json != strings.ReplaceAll(key, "-", "_") {
				t.Errorf("%s.%s: the key is %q, and %q in JSON", s.typ.Name(), f.Name, key, json)
			}
			one := s.lookup(key)
			switch {
			case one == nil:
				t.Errorf("%s.%s is not in the table", s.typ.Name(), f.Name)
			case len(one.help) < 8 || strings.HasSuffix(one.help, "."):
				t.Errorf("%s: the help is no phrase: %q", key, one.help)
			case strings.ContainsFunc(one.help+one.preset, func(r rune) bool { return r > unicode.MaxASCII }):
				t.Errorf("%s: the help is not ASCII: %q", key, one.help)
			}
		}
		for _, one := range s.settings {
			for k := range one.by {
				if !one.uses(k) {
					t.Errorf("%s has a default for kind %s, which does not use it", one.key, k)
				}
			}
		}
	}
}

// TestFlagsOfKinds also shows that no flag is there twice, which pflag would not survive.
func TestFlagsOfKinds(t *testing.T) {
	t.Parallel()
	common := "name seed settle limit fail-if find-max find-max-of find-max-limit sources workers loops agents agent-token pid metric" +
		"s-url i-own-this-target insecure header subprotocol user token-file jwt-secret jwt-ttl connections first-id connect-rate connect-timeout ignore"
	const pending = " connect-pending"
	message := pending + " warmup duration rate arrival message expect reply-timeout"
	ask := message + " model closed every think"
	publish := message + " publish-via publish-method publish-url publish-header publish-body publishers publish-timeout publish-status"
	for kind, more := range map[Kind]string{
		Connect: " hold", Heartbeat: ask, Soak: ask, Echo: ask + " outstanding", Broadcast: publish, Push: publish,
		Slow: publish + " slow-share slow-rate", Churn: ask + " churn-rate lifetime abrupt",
		Storm: pending + " cycles storm-every abrupt give-up backoff backoff-base backoff-factor backoff-max backoff-jitter",
	} {
		fs := pflag.NewFlagSet("", pflag.ContinueOnError)
		AddFlags(fs, kind)
		var got []string
		fs.VisitAll(func(f *pflag.Flag) { got = append(got, f.Name) })
		want := strings.Fields(common + more)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got  %q\nwant %q", kind, got, want)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"warmup": "warmup", "fail-if[3]": "fail-if", "scenarios": "scenarios", "scenarios[2].rate": "rate", "scenarios[2].headers.X-A.b": "headers",
		"scenarios[0].publish.url": "url", "scenarios[0].storm.backoff.max": "max", "scenarios[0]": "", "": "", "nothing": "",
	} {
		got := ""
		if one := find(key); one != nil {
			got = one.key
		}
		if got != want {
			t.Errorf("find(%q): got %q, want %q", key, got, want)
		}
	}
	if one := find("scenarios[0].publish.url"); one.section != publishSection {
		t.Errorf("publish.url is of section %q", one.section.key)
	}
}

func TestClosest(t *testing.T) {
	t.Parallel()
	keys := append(scenarioSection.keys(), planSection.keys()...)
	for in, want := range map[string]string{
		"conections": "connections", "connection": "connections", "jwt_secret": "jwt-secret", "jwtSecret": "jwt-secret", "ulr": "url", "raet": "rate",
		"xyz": "", "": "", strings.Repeat("connections", 10): "", "warmpu": "warmup", "a": "",
	} {
		if got := closest(in, keys); got != want {
			t.Errorf("closest(%q): got %q, want %q", in, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "ab", 1}, {"abc", "axc", 1}, {"ca", "abc", 3}, {"kitten", "sitting", 3}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q): got %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestParseValue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text  string
		whole int64
		real  float64
		ok    [2]bool // as a whole number, as any
	}{
		{"0", 0, 0, [2]bool{true, true}},
		{"1_000", 1000, 1000, [2]bool{true, true}},
		{"1e6", 1000000, 1e6, [2]bool{true, true}},
		{"10k", 10000, 10000, [2]bool{true, true}},
		{"1.001k", 1001, 1001, [2]bool{true, true}},
		{"2.5M", 2500000, 2.5e6, [2]bool{true, true}},
		{"-3", -3, -3, [2]bool{true, true}},
		{"0.5", 0, 0.5, [2]bool{false, true}},
		{"9223372036854775807", 1<<63 - 1, 1 << 63, [2]bool{true, true}},
		{"1e300", 0, 1e300, [2]bool{false, true}},
		{"10m", 0, 0, [2]bool{}}, {"k", 0, 0, [2]bool{}}, {"", 0, 0, [2]bool{}}, {"inf", 0, 0, [2]bool{}}, {"NaN", 0, 0, [2]bool{}},
		{"0x10", 0, 0, [2]bool{}}, {"1,000", 0, 0, [2]bool{}}, {" 1", 0, 0, [2]bool{}}, {"1e999", 0, 0, [2]bool{}},
	} {
		v, err := parseValue(reflect.TypeFor[int](), tt.text)
		if (err == nil) != tt.ok[0] || err == nil && v.Int() != tt.whole {
			t.Errorf("whole %q: got %v, %v", tt.text, v, err)
		}
		v, err = parseValue(reflect.TypeFor[float64](), tt.text)
		if got := v.Float(); (err == nil) != tt.ok[1] || err == nil && (got < tt.real-1e-6 || got > tt.real+1e-6) {
			t.Errorf("number %q: got %v, %v", tt.text, v, err)
		}
	}
}
