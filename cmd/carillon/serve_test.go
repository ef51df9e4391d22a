package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// process is a running carillon serve.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	addr string
	log  *logBuffer
}

// logBuffer collects what a process writes and wakes who waits for a text in it.
type logBuffer struct {
	mu      sync.Mutex
	changed *sync.Cond
	text    strings.Builder
	ended   bool
}

func newLogBuffer(r io.Reader) *logBuffer {
	b := &logBuffer{}
	b.changed = sync.NewCond(&b.mu)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := r.Read(buf)
			b.mu.Lock()
			b.text.Write(buf[:n])
			b.ended = err != nil
			b.changed.Broadcast()
			b.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return b
}

// all is everything that was written, once the writer has ended.
func (b *logBuffer) all() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for !b.ended {
		b.changed.Wait()
	}
	return b.text.String()
}

// waitFor returns when text was written; it fails when the process ends without it.
func (b *logBuffer) waitFor(t *testing.T, text string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for !strings.Contains(b.text.String(), text) {
		if b.ended {
			t.Fatalf("%q was never written:\n%s", text, b.text.String())
		}
		b.changed.Wait()
	}
}

// startServe runs carillon serve on a free port until the test ends, and waits for its address.
func startServe(t *testing.T, args ...string) *process {
	t.Helper()
	cmd := serveCommand(t, args...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, log: newLogBuffer(stderr)}
	p.start()
	return p
}

// serveCommand is carillon serve that does not run yet. It ends with the test.
func serveCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "carillon", append([]string{"serve"}, args...)...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")} // no setting of whoever runs the tests
	return cmd
}

// start starts the process and waits for its address.
func (p *process) start() {
	t, cmd := p.t, p.cmd
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("no address was printed: %v\n%s", err, p.log.all())
	}
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("standard output: got %q", line)
	}
	p.addr = addr
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// wantExit waits for the end of the process.
func (p *process) wantExit(want exitCode) {
	p.t.Helper()
	text := p.log.all()
	code := exitOK
	err := p.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exitCode(exit.ExitCode())
	} else if err != nil {
		p.t.Fatal(err)
	}
	if code != want {
		p.t.Errorf("exit code: got %d (%v), want %d (%v)\n%s", code, code, want, want, text)
	}
}

// connect opens a session and leaves it alone: it never reads nor answers a close.
func (p *process) connect() net.Conn {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	conn, _, _, err := ws.Dial(ctx, "ws://"+p.addr+"/ws?token=Admin@123")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

var local = []string{"--server.address=127.0.0.1", "--server.port=0"}

func TestServeDrainsOnFirstSignal(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := startServe(t, append(local, "--server.drain-window=0", "--websocket.close-timeout=100ms")...)
		resp, err := http.Get("http://" + p.addr + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("healthz: got %d", resp.StatusCode)
		}
		p.connect()
		p.signal(sig)
		p.wantExit(exitOK)
	}
}

func TestServeEndsOnSecondSignal(t *testing.T) {
	t.Parallel()
	for sig, want := range map[syscall.Signal]exitCode{syscall.SIGTERM: 143, syscall.SIGINT: 130} {
		p := startServe(t, append(local, "--websocket.close-timeout=1m", "--server.shutdown-timeout=1m")...)
		p.connect()
		p.signal(syscall.SIGTERM)
		p.log.waitFor(t, "draining")
		p.signal(sig)
		p.wantExit(want)
		p.log.waitFor(t, "second signal, ending at once")
	}
}

func TestServeExceedsShutdownTimeout(t *testing.T) {
	t.Parallel()
	p := startServe(t, append(local, "--websocket.close-timeout=1m", "--server.drain-window=0", "--server.shutdown-timeout=1s")...)
	p.connect()
	p.signal(syscall.SIGTERM)
	p.wantExit(exitDrain)
}

func TestServeAddressInUse(t *testing.T) {
	t.Parallel()
	p := startServe(t, local...)
	_, port, err := net.SplitHostPort(p.addr)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("carillon", "serve", "--server.address=127.0.0.1", "--server.port="+port).CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != int(exitListen) {
		t.Errorf("got %v, want exit code %d\n%s", err, exitListen, out)
	}
	if !strings.Contains(string(out), "address already in use") {
		t.Errorf("the reason is not told:\n%s", out)
	}
}

// TestServeNamesNodes starts two processes on one socket name and port each and wants different names.
func TestServeNamesNodes(t *testing.T) {
	t.Parallel()
	first := startServe(t, "--server.address=127.0.0.1", "--server.port=0", "--server.reuse-port", "--log.format=json")
	_, port, err := net.SplitHostPort(first.addr)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--server.address=127.0.0.1", "--server.port=" + port, "--server.reuse-port", "--log.format=json"}
	second, third := startServe(t, args...), startServe(t, args...)
	for p, suffix := range map[*process]string{second: "-" + port + `"`, third: "-" + port + `-2"`} {
		p.log.waitFor(t, suffix)
		p.signal(syscall.SIGTERM)
		p.wantExit(exitOK)
	}
}

func TestServeUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "c.sock")
	p := startServe(t, "--server.unix-socket="+path)
	if p.addr != path {
		t.Errorf("address: got %s, want %s", p.addr, path)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	p.signal(syscall.SIGTERM)
	p.wantExit(exitOK)
}

// TestServeEveryExitCodeIsDocumented keeps the list of the help complete.
func TestServeEveryExitCodeIsDocumented(t *testing.T) {
	t.Parallel()
	want := `Exit codes:
  0	ok
  1	failure
  2	wrong command line
  3	invalid configuration
  4	cannot listen
  5	not drained in time
  6	token refused
  7	node id taken by another node
  130	ended by a second interrupt signal
  143	ended by a second terminated signal
`
	if got := exitHelp(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
