package plan

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

const referencePage = "../../docs/bench-scenarios.md"

// TestReferencePage fails when docs/bench-scenarios.md is not what the program prints.
func TestReferencePage(t *testing.T) {
	var want bytes.Buffer
	if err := WriteMarkdown(&want); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(referencePage, want.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/bench-scenarios.md is out of date: go test ./bench/plan -run TestReferencePage -update")
	}
	for _, s := range sections {
		for _, one := range s.settings {
			if !strings.Contains(want.String(), "\n| `"+one.key+"` |") {
				t.Errorf("the page does not have %s", one.key)
			}
		}
	}
}

// TestReferenceExamples loads what the page shows.
func TestReferenceExamples(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)`(\\w+\\.yaml)`:\n\n```yaml\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) != 2 {
		t.Fatalf("the page has %d examples, want 2", len(blocks))
	}
	for _, block := range blocks {
		p, err := Parse(string(block[1]), block[2])
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if len(p.Scenarios) != 3 {
			t.Errorf("%s has %d scenarios, want 3", block[1], len(p.Scenarios))
		}
		for _, s := range p.Scenarios {
			if s.JWTSecret != "" && len(s.JWTSecret) < 32 {
				t.Errorf("%s: %d bytes are too short for HS256", block[1], len(s.JWTSecret))
			}
		}
		roundTrip(t, p)
	}
}

// TestReferenceDefaults compares the defaults that the tables tell people with
// those that plans get.
func TestReferenceDefaults(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		text := "scenarios: [{kind: " + string(kind) + ", url: 'ws://localhost'"
		if kind == Storm {
			text += ", storm: {backoff: {}}"
		}
		p, err := Parse("x.yaml", []byte(text+"}]"))
		if err != nil {
			t.Fatal(err)
		}
		d := draft{Plan: p}
		for _, s := range sections {
			for _, one := range s.settings {
				told := one.presetOf(kind)
				if !one.uses(kind) || told == "" || strings.Contains(told, " ") && !strings.Contains(told, "{") || strings.Contains(told, ";") || strings.HasPrefix(told, "/") {
					continue // no value, but a sentence
				}
				field := d.field(one)
				if field.IsZero() && one.key == "find-max-of" || one.key == "jwt-ttl" || one.key == "outstanding" {
					continue // only with what they belong to
				}
				want, err := parseValue(one.typ, strings.ReplaceAll(told, ",", ""))
				if one.typ.Kind().String() == "string" {
					want, err = parseValue(one.typ, told)
				}
				if err != nil {
					t.Errorf("%s: the default %q is not a value: %v", one.key, told, err)
					continue
				}
				if !field.Equal(want) {
					t.Errorf("kind %s: %s is %v, and the page says %s", kind, one.flagKey(), field, told)
				}
			}
		}
	}
}
