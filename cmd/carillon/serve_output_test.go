package main

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

// startUnread runs carillon serve with a standard error of which the test has both ends: nobody reads it.
func startUnread(t *testing.T, args ...string) (p *process, r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.Close()
		_ = w.Close()
	})
	cmd := serveCommand(t, args...)
	cmd.Stderr = w
	p = &process{t: t, cmd: cmd, log: newLogBuffer(strings.NewReader(""))}
	p.start()
	return p, r, w
}

// fillPipe writes to a pipe until nothing more fits.
func fillPipe(t *testing.T, w *os.File) {
	t.Helper()
	fd := int(w.Fd())
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for size := 4096; size > 0; {
		_, err := syscall.Write(fd, make([]byte, size))
		switch {
		case errors.Is(err, syscall.EAGAIN):
			size /= 2
		case err != nil && !errors.Is(err, syscall.EINTR):
			t.Fatal(err)
		}
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
}

// TestServeOutlivesTheReaderOfItsLog has a stranger cause a line of the log when its reader has gone.
func TestServeOutlivesTheReaderOfItsLog(t *testing.T) {
	t.Parallel()
	p, r, w := startUnread(t, append(local, "--server.drain-window=0", "--websocket.close-timeout=100ms", "--log.level=debug")...)
	_, _ = r.Close(), w.Close()
	p.connect()
	for range 2 {
		resp, err := http.Get("http://" + p.addr + "/ws?token=bad")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	p.signal(syscall.SIGTERM)
	p.wantExit(exitOK)
}

// TestServeEndsWhenNobodyReadsTheLog has a standard error that takes nothing more, for each way to end.
func TestServeEndsWhenNobodyReadsTheLog(t *testing.T) {
	t.Parallel()
	for want, args := range map[exitCode][]string{
		exitOK:    {"--websocket.close-timeout=100ms"},
		exitDrain: {"--websocket.close-timeout=1m", "--server.shutdown-timeout=1s"}, // which has something to tell
		143:       {"--websocket.close-timeout=1m", "--server.shutdown-timeout=1h"},
	} {
		p, _, w := startUnread(t, append(append(args, local...), "--server.drain-window=0")...)
		p.connect()
		fillPipe(t, w)
		p.signal(syscall.SIGTERM)
		if want > exitSignal {
			p.awaitRefusal()
			p.signal(syscall.SIGTERM)
		}
		p.wantExit(want)
	}
}

// awaitRefusal waits until nobody listens any more.
func (p *process) awaitRefusal() {
	p.t.Helper()
	for p.t.Context().Err() == nil {
		resp, err := http.Get("http://" + p.addr + "/healthz")
		if err != nil {
			return
		}
		_ = resp.Body.Close()
	}
}
