package scaling

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/scaling.md anew")

const page = "../../docs/scaling.md"

// TestPage fails when a table of docs/scaling.md is not what the command prints, or is
// missing.
func TestPage(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]string)
	for _, table := range Tables(Default()) {
		var b strings.Builder
		if err := table.WriteMarkdown(&b); err != nil {
			t.Fatal(err)
		}
		want[table.Name] = b.String()
	}
	marked := regexp.MustCompile(`(?s)<!-- table (\w+) -->\n(.*?)<!-- end -->`)
	got := marked.ReplaceAllStringFunc(string(text), func(block string) string {
		m := marked.FindStringSubmatch(block)
		table, known := want[m[1]]
		if !known {
			t.Errorf("the page has a table %q, the command does not", m[1])
			return block
		}
		if m[2] != table && !*update {
			t.Errorf("table %q is out of date: go test ./bench/scaling -run TestPage -update", m[1])
		}
		delete(want, m[1])
		return "<!-- table " + m[1] + " -->\n" + table + "<!-- end -->"
	})
	for name := range want {
		t.Errorf("the page does not have the table %q", name)
	}
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}
