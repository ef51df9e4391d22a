package deploy

import (
	"regexp"
	"strings"
	"testing"

	"carillon/server/config"
)

// checkKeys checks that every configuration key in a text is one.
func checkKeys(t *testing.T, what, text string) {
	t.Helper()
	l, err := config.Load(config.LoadOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string]bool{}
	for key := range l.Origins {
		group, _, _ := strings.Cut(key, ".")
		groups[group] = true
	}
	for _, key := range regexp.MustCompile(`\b[a-z]+(?:\.[a-z][a-z-]*)+\b`).FindAllString(text, -1) {
		group, _, _ := strings.Cut(key, ".")
		if _, ok := l.Origins[key]; groups[group] && !ok && !l.Given(key) && !isGroup(l, key) && !isFile(key) {
			t.Errorf("%s: %s is not a setting", what, key)
		}
	}
}

// isGroup tells whether there are settings below key.
func isGroup(l *config.Loaded, key string) bool {
	for k := range l.Origins {
		if strings.HasPrefix(k, key+".") {
			return true
		}
	}
	return false
}

// isFile tells of names such as cluster.md.
func isFile(key string) bool {
	return regexp.MustCompile(`\.(md|yml|yaml|conf|json|key|pem|crt)$`).MatchString(key)
}
