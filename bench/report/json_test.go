package report

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"carillon/bench/stats"
)

func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	r := sample(1, 1)
	var b bytes.Buffer
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	goldenReport(t, b.Bytes())
	got, err := Read(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := Write(&again, got); err != nil {
		t.Fatal(err)
	}
	if again.String() != b.String() {
		t.Error("a report that was read is not written as it was")
	}
	h, want := got.Scenarios[0].Measured.Hists[stats.Latency], r.Scenarios[0].Measured.Hists[stats.Latency]
	if h.Count() != want.Count() || h.Quantile(.999) != want.Quantile(.999) {
		t.Errorf("histogram: %d, p99.9 %v, want %d, %v", h.Count(), h.Quantile(.999), want.Count(), want.Quantile(.999))
	}
	if !reflect.DeepEqual(got.Checks, r.Checks) || len(r.Checks) == 0 {
		t.Errorf("checks: got %+v, want %+v", got.Checks, r.Checks)
	}
}

// goldenReport compares a written report with the one that is kept, which has
// to stay readable. The compressed histograms are looked at after decoding:
// their bytes are the compressor's affair.
func goldenReport(t *testing.T, written []byte) {
	t.Helper()
	if *update {
		golden(t, "full.json", written)
	}
	kept, err := os.ReadFile("testdata/full.json")
	if err != nil {
		t.Fatal(err)
	}
	mask := func(b []byte) []byte {
		return regexp.MustCompile(`"hdr": "[^"]*"`).ReplaceAll(b, []byte(`"hdr": ""`))
	}
	if !bytes.Equal(mask(kept), mask(written)) {
		t.Error("testdata/full.json: differs from what is written now (go test -update writes it anew)")
	}
	old, err := Read(bytes.NewReader(kept))
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range sample(1, 1).Scenarios {
		for m, h := range s.Measured.Hists {
			if got := old.Scenarios[i].Measured.Hists[m]; got.Count() != h.Count() || Summary(got) != Summary(h) {
				t.Errorf("testdata/full.json: %s of %s: got %+v, want %+v", m, s.Name, Summary(got), Summary(h))
			}
		}
	}
}

func TestWriteNonFinite(t *testing.T) {
	t.Parallel()
	r := small()
	r.Client.CPUShare = math.NaN()
	r.Scenarios[1].Series = []Point{{}, {P99: math.Inf(1)}}
	l := r.Scenarios[0].Latency[stats.Latency]
	l.Mean = math.Inf(-1)
	r.Scenarios[0].Latency[stats.Latency] = l
	r.Search = &Search{Best: math.NaN()}
	var b bytes.Buffer
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	got, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Warnings) != 1 {
		t.Fatalf("warnings: %q, want one", got.Warnings)
	}
	for _, path := range []string{"client.cpu_share", "scenarios[1].series[1].p99_ms", "scenarios[0].latency[latency].mean_ms", "search.best"} {
		if !strings.Contains(got.Warnings[0], path) {
			t.Errorf("warning %q does not name %s", got.Warnings[0], path)
		}
	}
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"", "the file is empty"},
		{"\n\n{", "line 3: unexpected end"},
		{"{}", `no member "schema"`},
		{"[]", "want struct"},
		{`{"schema":"carillon-bench/2"}`, `schema "carillon-bench/2", this version reads "carillon-bench/1"`},
		{`{"schema":"carillon-bench/1","verdict":"fine"}`, `unknown verdict "fine"`},
		{`{"schema":"carillon-bench/1"}`, `unknown verdict ""`},
		{"{\"schema\":\"carillon-bench/1\",\n\"seconds\":\"x\"}", "line 2: seconds: want float64, got string"},
		{`{"schema":"carillon-bench/1","verdict":"passed","scenarios":[{"measured":{"hists":{"latency":{"hdr":"AAAA"}}}}]}`, "read report: "},
	}
	for _, tt := range tests {
		if _, err := Read(strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Read(%q): %v, want %q", tt.text, err, tt.want)
		}
	}
	if _, err := Read(strings.NewReader(`{"schema":"carillon-bench/1","verdict":"passed","new":{"member":1}}`)); err != nil {
		t.Errorf("a member of a later version: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := Write(&b, small()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"schema":"carillon-bench/1","verdict":"passed","scenarios":null}`))
	f.Add([]byte(`{"schema":"carillon-bench/1","verdict":"error","plan":{"a":[1]},"scenarios":[{"latency":{"p":{}},"measured":{"causes":{"closed: x":1}}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := Write(&b, r); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(b.Bytes()) {
			t.Fatal("what was written is not JSON")
		}
	})
}
