package deploy

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestOperationsPage checks that the page speaks of settings, metrics, files and
// alerts that are there.
func TestOperationsPage(t *testing.T) {
	const page = "../docs/operations.md"
	text := read(t, page)
	var quoted strings.Builder
	for _, m := range regexp.MustCompile("`[^`\n]+`").FindAllString(text, -1) {
		quoted.WriteString(m + "\n")
	}
	checkKeys(t, page, quoted.String())
	e := scrape(t)
	for _, name := range regexp.MustCompile(`\bcarillon_\w+[a-z]\b`).FindAllString(text, -1) {
		if name != "carillon_cluster" && e[name] == nil {
			t.Errorf("%s is not exported", name)
		}
	}
	files := regexp.MustCompile(`\bdeploy/[\w./-]*\w`).FindAllString(text, -1)
	for _, m := range regexp.MustCompile(`\]\(([\w./-]+)(#[\w-]+)?\)`).FindAllStringSubmatch(text, -1) {
		files = append(files, filepath.Join("docs", m[1]))
	}
	for _, path := range files {
		if _, err := os.Stat(filepath.Join("..", path)); err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(read(t, "../README.md"), "docs/operations.md") {
		t.Error("the README does not lead here")
	}
}

// TestMetricsTable compares the page with what a gateway exports: every metric of
// its own, with type and labels, and every cause of a close.
func TestMetricsTable(t *testing.T) {
	e := scrape(t)
	rows := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(carillon_\\w+)` \\| (\\w+) \\| ([^|]*)\\| (.+) \\|$").FindAllStringSubmatch(read(t, "../docs/operations.md"), -1) {
		if rows[m[1]] != nil {
			t.Errorf("%s is there twice", m[1])
		}
		rows[m[1]] = m[2:]
	}
	for _, name := range slices.Sorted(maps.Keys(e)) {
		if !strings.HasPrefix(name, "carillon_") {
			continue
		}
		row := rows[name]
		if row == nil {
			t.Errorf("%s is missing", name)
			continue
		}
		delete(rows, name)
		var labels []string
		for _, l := range e.labels(name) {
			if !slices.Contains(ownLabels, l) {
				labels = append(labels, "`"+l+"`")
			}
		}
		kind := strings.ToLower(e[name].GetType().String())
		if got, want := strings.TrimSpace(row[1]), strings.Join(labels, ", "); row[0] != kind || got != want {
			t.Errorf("%s: the page has it as a %s with labels %q, the gateway as a %s with %q", name, row[0], got, kind, want)
		}
		for _, cause := range e.values(name, "cause") {
			if !strings.Contains(row[2], "`"+cause+"`") {
				t.Errorf("%s: nothing about cause %s", name, cause)
			}
		}
	}
	for name := range rows {
		t.Errorf("%s is not exported", name)
	}
}
