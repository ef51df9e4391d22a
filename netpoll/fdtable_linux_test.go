package netpoll

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestFDTableIsWide looks at a server that nobody has connected to yet.
func TestFDTableIsWide(t *testing.T) {
	t.Parallel()
	const limit = 4000
	c := startChild(t, childOptions{Loops: 2}, limit)
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\nFDSize:")
	var size int
	if _, err := fmt.Sscan(rest, &size); err != nil {
		t.Fatalf("%v in %q", err, b)
	}
	if size < limit {
		t.Errorf("room for %d descriptors before the kernel widens the table, want the %d of the limit", size, limit)
	}
}
