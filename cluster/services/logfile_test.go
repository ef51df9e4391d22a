package services

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestLogTail(t *testing.T) {
	l := &logFile{path: filepath.Join(t.TempDir(), "log"), secrets: []string{"", "hush"}}
	if got := l.tail(); got != "" {
		t.Errorf("without a log: %q", got)
	}
	write := func(text string) {
		t.Helper()
		f, err := l.open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	write("one\nthe password is hush\n")
	if got, want := l.tail(), "one\nthe password is ***"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	write(strings.Repeat("0123456789\n", 1000))
	got := l.tail()
	if !strings.HasPrefix(got, "0123456789\n") || len(got) > tailBytes || len(got) < tailBytes-20 {
		t.Errorf("got %d bytes that begin with %.20q", len(got), got)
	}
}
