package deploy

import (
	"os"
	"path/filepath"
	"regexp"
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
