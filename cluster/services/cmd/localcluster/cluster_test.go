package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
)

var gatewayDir string

func TestMain(m *testing.M) {
	var err error
	if gatewayDir, err = os.MkdirTemp("", "carillon-localcluster-test-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(gatewayDir)
	http.DefaultClient.CloseIdleConnections()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// built is the real gateway, built once.
var built = sync.OnceValues(func() (string, error) {
	path := filepath.Join(gatewayDir, "carillon")
	if out, err := exec.Command("go", "build", "-o", path, "carillon/cmd/carillon").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// screen is what a user sees. Any goroutine.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// wait waits until text is on the screen, unless run has ended.
func (s *screen) wait(t *testing.T, text string, ended <-chan error) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for !strings.Contains(s.String(), text) {
		select {
		case err := <-ended:
			t.Fatalf("ended with %v before %q:\n%s", err, text, s)
		case <-deadline:
			t.Fatalf("waited in vain for %q:\n%s", text, s)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func buildGateway(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// freePorts finds n ports in a row, below those of outgoing connections.
func freePorts(t *testing.T, n int) int {
	t.Helper()
search:
	for range 1000 {
		port := 10000 + rand.IntN(9000)
		for i := range n {
			l, err := net.Listen("tcp", ":"+strconv.Itoa(port+i))
			if err != nil {
				continue search
			}
			_ = l.Close()
		}
		return port
	}
	t.Fatal("no free ports")
	return 0
}

// TestCluster follows the instructions: it connects to one gateway, pushes through the
// other, asks, and interrupts.
func TestCluster(t *testing.T) {
	o := options{gateway: buildGateway(t), port: freePorts(t, 2), nodes: 2}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var seen screen
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, o, &seen) }()
	seen.wait(t, "Ctrl-C ends everything", ended)

	first, second := "localhost:"+strconv.Itoa(o.port), "localhost:"+strconv.Itoa(o.port+1)
	c, _, err := websocket.Dial(ctx, "ws://"+first+"/ws?token=Admin@123", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	questions := regexp.MustCompile(`curl (http\S+)\n`).FindAllStringSubmatch(seen.String(), -1)
	if len(questions) != 2 {
		t.Fatalf("questions are %q", questions)
	}
	for _, question := range questions {
		// The other gateway learns of a new session a moment later.
		waitAnswer(t, question[1], "gw-1")
	}
	command := regexp.MustCompile(`(?s)curl -X POST (\S+) .*?-d '(.*?)'`).FindStringSubmatch(seen.String())
	if command == nil || !strings.Contains(command[1], second) {
		t.Fatalf("no push through %s in the instructions:\n%s", second, &seen)
	}
	res, err := http.Post(command[1], "application/json", strings.NewReader(command[2]))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("push: %s", res.Status)
	}
	if _, got, err := c.Read(ctx); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}

	interrupt()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v:\n%s", err, &seen)
	}
	for _, want := range []string{"gw-1 | ", "gw-2 | ", "stopped"} {
		if !strings.Contains(seen.String(), want) {
			t.Errorf("no %q on the screen:\n%s", want, &seen)
		}
	}
	wantGone(t, first, second)
}

func TestGatewayDies(t *testing.T) {
	o := options{gateway: buildGateway(t), port: freePorts(t, 2), nodes: 2}
	var seen screen
	ended := make(chan error, 1)
	go func() { ended <- run(t.Context(), o, &seen) }()
	seen.wait(t, "Ctrl-C ends everything", ended)
	pid := regexp.MustCompile(`gw-2 \| .* pid=(\d+)`).FindStringSubmatch(seen.String())
	if pid == nil {
		t.Fatalf("no pid on the screen:\n%s", &seen)
	}
	n, err := strconv.Atoi(pid[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "gw-2 has ended: signal: killed") {
		t.Errorf("got %v", err)
	}
	wantGone(t, "localhost:"+strconv.Itoa(o.port))
}

// waitAnswer asks until the answer has what is wanted.
func waitAnswer(t *testing.T, url, want string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK && strings.Contains(string(body), want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s %s, want %q in it", url, res.Status, body, want)
		}
	}
}

// TestInterruptedStart interrupts before anything is up.
func TestInterruptedStart(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var seen screen
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, options{gateway: os.Args[0], port: 1, nodes: 1}, &seen) }()
	seen.wait(t, "Starting", ended)
	interrupt()
	if err := <-ended; err != nil {
		t.Errorf("got %v", err)
	}
}

func wantGone(t *testing.T, addrs ...string) {
	t.Helper()
	for _, addr := range addrs {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			t.Errorf("%s still takes connections", addr)
		}
	}
}

func TestCommand(t *testing.T) {
	for name, args := range map[string][]string{
		"no such gateway": {"--gateway", filepath.Join(t.TempDir(), "none")},
		"no gateways":     {"--nodes", "0"},
	} {
		if code := command(args); code != 1 {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
	if code := command([]string{"--no-such-flag"}); code != 2 {
		t.Errorf("unknown flag: exit code %d", code)
	}
}

func TestLines(t *testing.T) {
	var seen screen
	out := &output{w: &seen}
	l := out.lines("gw")
	for _, piece := range []string{"one", "", "\ntwo\n\nthr", "ee"} {
		if n, err := io.WriteString(l, piece); n != len(piece) || err != nil {
			t.Errorf("%q: %d, %v", piece, n, err)
		}
	}
	l.end()
	l.end()
	if got, want := seen.String(), "gw | one\ngw | two\ngw | \ngw | three\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzLines writes a text in two pieces: where it is cut must not matter.
func FuzzLines(f *testing.F) {
	f.Add("one\ntwo", 3)
	f.Add("\n\n", 1)
	f.Add("", 0)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		cut = max(0, min(cut, len(text)))
		var seen screen
		l := (&output{w: &seen}).lines("gw")
		for _, piece := range []string{text[:cut], text[cut:]} {
			if n, err := io.WriteString(l, piece); n != len(piece) || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
		}
		l.end()
		var want strings.Builder
		for line := range strings.Lines(text) {
			want.WriteString("gw | " + strings.TrimSuffix(line, "\n") + "\n")
		}
		if got := seen.String(); got != want.String() {
			t.Errorf("got %q, want %q", got, &want)
		}
	})
}
