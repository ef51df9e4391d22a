package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func junitOf(t *testing.T, r *Report) (string, junitSuites) {
	t.Helper()
	var b bytes.Buffer
	if err := JUnit(&b, r); err != nil {
		t.Fatal(err)
	}
	var all junitSuites
	if err := xml.Unmarshal(b.Bytes(), &all); err != nil {
		t.Fatalf("not XML: %v", err)
	}
	return b.String(), all
}

func TestJUnitGolden(t *testing.T) {
	t.Parallel()
	text, _ := junitOf(t, sample(1, 1))
	golden(t, "full.junit.xml", []byte(text))
}

func TestJUnitVerdicts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		verdict                   Verdict
		bottleneck                bool
		failures, errors, skipped int
	}{
		{Passed, false, 0, 0, 0}, // of a report whose verdict nothing made worse
		{Failed, false, 1, 0, 0},
		{NoResult, true, 0, 1, 4},
		{Interrupted, false, 0, 0, 1},
		{Errored, false, 0, 1, 4},
	}
	for _, tt := range tests {
		r := small()
		r.Verdict, r.Reasons, r.Client.Bottleneck = tt.verdict, []string{"because"}, tt.bottleneck
		r.Judge([]*Expr{parse(t, "p99>1s"), parse(t, "rss>1GiB"), parse(t, "failures>50%")})
		_, all := junitOf(t, r)
		if all.Failures != tt.failures || all.Errors != tt.errors || all.Skipped != tt.skipped || all.Tests != 5 {
			t.Errorf("%s: %d tests, %d failures, %d errors, %d skipped, want 5, %d, %d, %d",
				tt.verdict, all.Tests, all.Failures, all.Errors, all.Skipped, tt.failures, tt.errors, tt.skipped)
		}
		if len(all.Suites) != 3 || len(all.Suites[0].Cases) != 2 || len(all.Suites[1].Cases) != 2 || len(all.Suites[2].Cases) != 1 {
			t.Errorf("%s: suites %+v", tt.verdict, all.Suites)
		}
	}
	r := small()
	r.Judge([]*Expr{parse(t, "lost>0"), parse(t, "nobody:lost>0")})
	_, all := junitOf(t, r)
	if all.Suites[0].Failures != 2 || all.Suites[1].Failures != 1 {
		t.Errorf("failed checks: %+v", all.Suites)
	}
}

func TestJUnitHostile(t *testing.T) {
	t.Parallel()
	text, all := junitOf(t, hostile())
	if strings.ContainsAny(text, "\x00\x07\x1b") || !strings.Contains(all.Suites[0].Name, "</script>") {
		t.Errorf("name %q", all.Suites[0].Name)
	}
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
