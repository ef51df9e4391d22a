package systemtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait of a test; reaching it is a failure.
const patience = 60 * time.Second

func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting for %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// binary is the gateway, built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "carillon-systemtest-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "carillon")
	out, err := exec.Command("go", "build", "-o", path, "carillon/cmd/carillon").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

// process is one carillon under test.
type process struct {
	t    testing.TB
	id   string
	addr string
	cmd  *exec.Cmd
	log  *buffer
	done chan struct{}
}

// serve starts a gateway and waits until it listens. It is drained, and must end
// well, when the test does, unless the test has ended it.
func serve(t testing.TB, id string, flags ...string) *process {
	t.Helper()
	p := launch(t, id, flags...)
	if p.addr == "" {
		<-p.done
		t.Fatalf("node %s has ended: %v\n%s", id, p.cmd.ProcessState, p.log)
	}
	return p
}

// launch is serve for a gateway that may end before it listens.
func launch(t testing.TB, id string, flags ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"serve", "--server.address=127.0.0.1", "--server.port=0", "--server.node-id=" + id,
		"--server.drain-window=100ms", "--server.event-loops=1", "--log.level=debug"}, flags...)
	p := &process{t: t, id: id, cmd: exec.Command(path, args...), log: &buffer{}, done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "AUTH_MODE=static", "AUTH_TOKENS="+tokens())
	p.cmd.Stderr = p.log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err == nil {
		p.addr = strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
	}
	go func() {
		_, _ = io.Copy(io.Discard, stdout)
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		if p.ended() {
			return
		}
		p.signal(syscall.SIGCONT)
		if code := p.stop(); code != 0 {
			t.Errorf("node %s ended with code %d", id, code)
		}
		if t.Failed() {
			t.Logf("node %s:\n%s", id, p.log)
		}
	})
	return p
}

// maxUsers is how many users, named u0, u1 and so on, have a token.
const maxUsers = 200

// tokens gives each user a token: t-u0 for u0.
func tokens() string {
	var list []string
	for i := range maxUsers {
		list = append(list, fmt.Sprintf("t-u%d=u%d", i, i))
	}
	return strings.Join(list, ",")
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// kill ends the process without warning.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// stop drains the process and returns its exit code.
func (p *process) stop() int {
	p.signal(syscall.SIGTERM)
	return p.wait()
}

// wait waits until the process has ended and returns its exit code.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.signal(syscall.SIGQUIT)
		<-p.done
		p.t.Fatalf("node %s did not end:\n%s", p.id, p.log)
	}
	return p.cmd.ProcessState.ExitCode()
}

// call calls an HTTP endpoint of the node.
func (p *process) call(method, path, body string, header ...string) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+p.addr+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, string(answer), err
}

// get calls a GET endpoint that must answer 200.
func (p *process) get(path string) string {
	p.t.Helper()
	status, answer, err := p.call("GET", path, "")
	if err != nil || status != http.StatusOK {
		p.t.Fatalf("GET %s on %s: %d %s %v", path, p.id, status, answer, err)
	}
	return answer
}

// push pushes a text by one of the endpoints and returns the status.
func (p *process) push(path, text string) int {
	p.t.Helper()
	body, _ := json.Marshal(map[string]string{"message": text})
	status, _, err := p.call("POST", "/websocket/"+path, string(body))
	if err != nil {
		p.t.Fatalf("push %s on %s: %v", path, p.id, err)
	}
	return status
}

// pushed is push that has to be accepted.
func (p *process) pushed(path, text string) {
	p.t.Helper()
	if status := p.push(path, text); status != http.StatusOK {
		p.t.Fatalf("push %s on %s: %d", path, p.id, status)
	}
}

// ready waits until the node is in the cluster together with n-1 others.
func (p *process) ready(n int) {
	p.t.Helper()
	waitFor(p.t, fmt.Sprintf("%s to see %d nodes", p.id, n), func() bool {
		if p.ended() {
			p.t.Fatalf("node %s has ended:\n%s", p.id, p.log)
		}
		status, _, err := p.call("GET", "/readyz", "")
		return err == nil && status == http.StatusOK && p.metric("carillon_cluster_nodes") == float64(n)
	})
}

// metric reads a metric without labels; missing ones are 0.
func (p *process) metric(name string) float64 {
	_, answer, err := p.call("GET", "/metrics", "")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(answer) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, _ := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			return v
		}
	}
	return 0
}

// buffer collects what a process writes.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
