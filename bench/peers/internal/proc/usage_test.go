package proc

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseStat(t *testing.T) {
	stat := func(name string) string {
		return fmt.Sprintf("42 (%s) S 7 42 42 0 -1 4194304 1 2 3 4 100 20 3 400 20 0 1 0 5 6 7", name)
	}
	for _, name := range []string{"sh", "a b", ") S 1 (", "((", ""} {
		parent, cpu, err := parseStat([]byte(stat(name)))
		if parent != 7 || cpu != 4030*time.Millisecond || err != nil {
			t.Errorf("%q: got %d %v %v", name, parent, cpu, err)
		}
	}
	for _, bad := range []string{"", "42 (x", "42 (x) S 7", strings.Replace(stat("x"), "400", "many", 1), strings.Replace(stat("x"), "S 7", "S x", 1)} {
		if _, _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("1 (init) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 5 6 7"))
	f.Add([]byte(") ) 1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, err := parseStat(b); err == nil && bytes.Count(b, []byte(" ")) < 14 && len(bytes.Fields(b)) < 15 {
			t.Errorf("%q was taken", b)
		}
	})
}
