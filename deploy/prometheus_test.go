package deploy

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

type ruleFile struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	} `yaml:"groups"`
}

type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func readRules(t *testing.T) (rules []rule) {
	t.Helper()
	var file ruleFile
	d := yaml.NewDecoder(bytes.NewBufferString(read(t, "prometheus/rules.yml")))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	groups := map[string]bool{}
	for _, g := range file.Groups {
		if g.Name == "" || groups[g.Name] {
			t.Errorf("group %q has no name or one that is taken", g.Name)
		}
		groups[g.Name] = true
		rules = append(rules, g.Rules...)
	}
	if len(rules) == 0 {
		t.Fatal("no rules")
	}
	return rules
}

// TestRules checks each alert: what it asks for is exported, what it says can be
// filled in, and it tells what to do.
func TestRules(t *testing.T) {
	e := scrape(t)
	alerts := map[string]bool{}
	for _, r := range readRules(t) {
		if !regexp.MustCompile(`^Carillon[A-Z]\w+$`).MatchString(r.Alert) || alerts[r.Alert] {
			t.Errorf("alert %q: the name is taken or another kind of name", r.Alert)
		}
		alerts[r.Alert] = true
		labels, names, faults := checkQuery(e, r.Expr)
		for _, f := range faults {
			t.Errorf("%s: %s", r.Alert, f)
		}
		if !regexp.MustCompile(`==|!=|[<>]`).MatchString(r.Expr) {
			t.Errorf("%s: fires always", r.Alert)
		}
		for _, name := range names {
			if !strings.HasPrefix(name, "carillon_") && !strings.Contains(r.Expr, name+`{job="carillon"}`) {
				t.Errorf("%s: %s is that of every program", r.Alert, name)
			}
		}
		if r.For != "" {
			if _, err := time.ParseDuration(r.For); err != nil {
				t.Errorf("%s: for: %v", r.Alert, err)
			}
		}
		if s := r.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s: severity is %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" || len(r.Annotations["action"]) < 40 || !strings.HasSuffix(r.Annotations["action"], ".") {
			t.Errorf("%s: annotations are %q, want a summary and a sentence what to do", r.Alert, r.Annotations)
		}
		for _, text := range r.Annotations {
			for _, m := range regexp.MustCompile(`\{\{ *(.*?) *\}\}`).FindAllStringSubmatch(text, -1) {
				value := regexp.MustCompile(`^\$value( \| humanize(Percentage)?)?$`).MatchString(m[1])
				label, isLabel := strings.CutPrefix(m[1], "$labels.")
				if !value && (!isLabel || !slices.Contains(labels, label)) {
					t.Errorf("%s: %s has no value, the labels are %v", r.Alert, m[0], labels)
				}
			}
		}
	}
}

// TestRuleSettings checks that the settings which the alerts name are there.
func TestRuleSettings(t *testing.T) {
	for _, r := range readRules(t) {
		checkKeys(t, r.Alert, r.Annotations["action"])
	}
}
