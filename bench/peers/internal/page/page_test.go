package page

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFill(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	text := "a\n" + Begin("x") + "old\n" + End + "b\n" + Begin("y") + End + "c\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "a\n" + Begin("x") + "\nnew\n\n" + End + "b\n" + Begin("y") + "\n| z |\n\n" + End + "c\n"
	for range 2 { // filling is not adding
		if err := Fill(file, map[string]string{"x": "new\n\n", "y": "| z |"}); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(file); string(got) != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	for parts, says := range map[string]string{"z": "<!-- z -->", "y": "<!-- end -->"} {
		if parts == "y" {
			if err := os.WriteFile(file, []byte(Begin("y")), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		before, _ := os.ReadFile(file)
		if err := Fill(file, map[string]string{parts: "new"}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
		if after, _ := os.ReadFile(file); string(after) != string(before) {
			t.Errorf("written in spite of an error:\n%s", after)
		}
	}
}
