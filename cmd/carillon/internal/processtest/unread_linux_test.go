package processtest

import (
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// unread starts two workers with a standard error that holds 4 kB and that nobody reads yet.
func unread(t *testing.T) (*supervisor, *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	s := command(t, 2, "--log.level=debug")
	s.cmd.Stderr = w
	s.start()
	_ = w.Close()
	s.awaitAddress()
	s.awaitReady()
	return s, r
}

// TestProcessesServeWhenNobodyReadsTheLog wants everybody to go on, and to tell how much was lost once somebody reads.
func TestProcessesServeWhenNobodyReadsTheLog(t *testing.T) {
	t.Parallel()
	s, r := unread(t)
	clients := s.connect(10)
	for _, c := range clients {
		c.chatter(t, 40, strings.Repeat("x", 20_000)) // 8 MB in all, more than queues and pipes hold
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(s.log, r)
	}()
	waitFor(t, "what was lost to be told", func() bool { return strings.Contains(s.log.String(), "log lines dropped") })
	s.signal(syscall.SIGTERM)
	waitFor(t, "the end", s.ended)
	<-read
	for line := range strings.Lines(s.log.String()) {
		if !strings.HasPrefix(line, "time=") || !strings.HasSuffix(line, "\n") {
			t.Errorf("torn: %.200q", line)
		}
	}
}

// TestProcessesEndWhenNobodyReadsTheLog has nobody read at all.
func TestProcessesEndWhenNobodyReadsTheLog(t *testing.T) {
	t.Parallel()
	s, _ := unread(t)
	s.connect(1)[0].chatter(t, 20, strings.Repeat("x", 20_000))
	s.signal(syscall.SIGTERM)
	s.wantExit(0)
}
