package watch

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// statLine is the file of a process that has the given figures.
func statLine(s procStat) string {
	return fmt.Sprintf("%d (%s) %c %d 7 7 0 -1 4194560 1 2 3 4 %d %d 9 9 20 0 %d 0 %d 99999 %d 18446744073709551615 1 1 0 0\n",
		4711, s.comm, s.state, s.parent, s.user, s.sys, s.threads, s.start, s.pages)
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	for _, comm := range []string{"server", "", "a b", "a) S 1 (b", ")", "(x)", "a\nb"} {
		want := procStat{comm: comm, state: 'S', parent: 1, user: 12, sys: 34, threads: 5, start: 678, pages: 90}
		if got, err := parseStat([]byte(statLine(want))); err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", comm, got, err, want)
		}
	}
	whole := statLine(procStat{comm: "x", state: 'Z', pages: 1})
	if s, _ := parseStat([]byte(whole)); !s.ended() {
		t.Error("a zombie has not ended")
	}
	if _, err := parseStat([]byte(strings.Replace(whole, " 20 0 ", " 20 zero ", 1))); err != nil {
		t.Errorf("a field that is not read: %v", err)
	}
	for _, s := range []string{"", "1", "1 (x", "1 (x)", "1 (x) ", "1 (x) SS 1", "1 )x( S", whole[:60], strings.Replace(whole, " 7 7 0 ", " 7 ", 1)[:80]} {
		if got, err := parseStat([]byte(s)); err == nil {
			t.Errorf("%q: got %+v, want an error", s, got)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add(statLine(procStat{comm: "a) b", state: 'R', parent: 1, user: 1, sys: 1, threads: 1, start: 1, pages: 1}))
	f.Add("1 (x) S 1")
	if b, err := os.ReadFile("/proc/self/stat"); err == nil {
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, line string) {
		s, err := parseStat([]byte(line))
		if err != nil {
			return
		}
		if s.pages < 0 || s.threads < 0 || s.parent < 0 || !strings.Contains(line, "("+s.comm+")") {
			t.Errorf("%q: got %+v", line, s)
		}
		if again, err := parseStat([]byte(statLine(s))); err != nil || again != s {
			t.Errorf("%+v: written and read again %+v, %v", s, again, err)
		}
	})
}
