package report

import (
	"regexp"
	"strings"
	"testing"

	"carillon/bench/internal/inline"
)

// TestDarkColoursAgree: CSS has no way to name the colours of the dark scheme once
// for those whose system is dark and for those who choose it on the page.
func TestDarkColoursAgree(t *testing.T) {
	t.Parallel()
	theme := inline.File(Assets, "page/theme.css")
	var blocks []string
	for _, selector := range []string{`:root[data-theme="dark"]`, `:root:not([data-theme="light"])`} {
		block := regexp.MustCompile(regexp.QuoteMeta(selector) + ` \{([^}]*)\}`).FindStringSubmatch(theme)
		if block == nil {
			t.Fatalf("theme.css has no %s", selector)
		}
		blocks = append(blocks, strings.Join(strings.Fields(block[1]), " "))
	}
	if blocks[0] != blocks[1] || !strings.Contains(blocks[0], "--ground:") {
		t.Errorf("chosen:    %s\nof system: %s", blocks[0], blocks[1])
	}
	// A colour that only the light scheme has would stay light.
	for _, name := range regexp.MustCompile(`--[a-z0-9-]+: (?:#|rgb)`).FindAllString(theme[:strings.Index(theme, "}")], -1) {
		if name, _, _ = strings.Cut(name, " "); !strings.Contains(blocks[0], name+" ") {
			t.Errorf("the dark scheme has no %s", name)
		}
	}
}
