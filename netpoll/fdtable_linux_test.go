package netpoll

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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

// TestFDTableThatIsWide has the highest descriptor in use, as by another reactor that
// starts at the same time.
func TestFDTableThatIsWide(t *testing.T) {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		t.Fatal(err)
	}
	highest, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, int(min(lim.Cur, widestTable))-1)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(highest)
	if err := widenFDTable(widestTable); err != nil {
		t.Errorf("beside descriptor %d of %d: %v", highest, lim.Cur, err)
	}
}
