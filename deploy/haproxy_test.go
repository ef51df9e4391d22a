package deploy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"carillon/cluster/services"
)

// balancer is a HAProxy with haproxy.cfg, adapted to the ports of a test.
type balancer struct {
	t                 *testing.T
	clients, backends string // host:port
	cmd               *exec.Cmd
	log               string
}

// adapted returns haproxy.cfg with other addresses, and fails when one that is to be
// replaced is not there.
func adapted(t *testing.T, replace map[string]string) (path string) {
	t.Helper()
	text := read(t, "haproxy.cfg")
	for old, now := range replace {
		if !strings.Contains(text, old) {
			t.Fatalf("no %q in haproxy.cfg", old)
		}
		text = strings.ReplaceAll(text, old, now)
	}
	path = filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// haproxy finds the program, which is not in the PATH of users.
func haproxy(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"haproxy", "/usr/sbin/haproxy"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no haproxy: .ci/setup installs it")
	return ""
}

func startBalancer(t *testing.T, first, second *gateway) *balancer {
	t.Helper()
	b := &balancer{t: t}
	b.clients = fmt.Sprintf("%s:%d", services.Host, services.FreePort(t))
	b.backends = fmt.Sprintf("%s:%d", services.Host, services.FreePort(t))
	cfg := adapted(t, map[string]string{
		"bind :8080": "bind " + b.clients, "bind :8081": "bind " + b.backends,
		"gw-1:18001": first.addr, "gw-2:18001": second.addr,
		"maxconn 100000": "maxconn 100", // which needs no more descriptors than anyone has
	})
	b.log = filepath.Join(t.TempDir(), "log")
	out, err := os.Create(b.log)
	if err != nil {
		t.Fatal(err)
	}
	// Warnings are errors.
	b.cmd = exec.Command(haproxy(t), "-W", "-db", "-dW", "-f", cfg)
	b.cmd.Stdout, b.cmd.Stderr = out, out
	wait, err := services.Start(b.cmd)
	_ = out.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = b.cmd.Process.Signal(syscall.SIGTERM)
		_ = wait() // its exit status tells the signal
		if t.Failed() {
			t.Logf("HAProxy:\n%s", read(t, b.log))
		}
	})
	b.waitLoaded(1)
	return b
}

// waitLoaded waits until the configuration has been loaded so many times.
func (b *balancer) waitLoaded(times int) {
	b.t.Helper()
	if !b.loaded(times, 30*time.Second) {
		b.t.Fatalf("HAProxy has not loaded %d times:\n%s", times, read(b.t, b.log))
	}
}

func (b *balancer) loaded(times int, limit time.Duration) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if strings.Count(read(b.t, b.log), "Loading success") >= times {
			return true
		}
	}
	return false
}

// reload has the master load the file again. A signal that comes just before the
// master goes to sleep wakes it when the next one does.
func (b *balancer) reload() {
	b.t.Helper()
	for range 30 {
		if err := b.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
			b.t.Fatal(err)
		}
		if b.loaded(2, time.Second) {
			return
		}
	}
	b.waitLoaded(2)
}

// connect opens a session through the balancer.
func (b *balancer) connect() *websocket.Conn {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+b.clients+"/ws?token=Admin@123", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// beat sends a heartbeat and waits for the answer.
func beat(t *testing.T, c *websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte(`{"type":"HEARTBEAT"}`)); err != nil {
		t.Fatal(err)
	}
	if _, got, err := c.Read(ctx); err != nil || !strings.Contains(string(got), "HEARTBEAT") {
		t.Fatalf("got %q, %v", got, err)
	}
}

// status makes a request whose target is sent as it stands there.
func status(t *testing.T, method, addr, target string, header http.Header) int {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	body := ""
	fmt.Fprintf(nc, "%s %s HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n", method, target)
	if method == http.MethodPost {
		body = `{"message":"hello"}`
		fmt.Fprintf(nc, "Content-Length: %d\r\n", len(body))
	}
	_ = header.Write(nc)
	_, _ = io.WriteString(nc, "\r\n"+body)
	res, err := http.ReadResponse(bufio.NewReader(nc), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// TestHAProxyFile has HAProxy check the file as it is. That it finds no hosts of
// these names here is all that it may warn of.
func TestHAProxyFile(t *testing.T) {
	out, err := exec.Command(haproxy(t), "-c", "-f", "haproxy.cfg").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "[WARNING]") && !strings.Contains(line, "could not resolve address 'gw-") {
			t.Error(line)
		}
	}
}

func TestHAProxyPaths(t *testing.T) {
	b := startBalancer(t, startGateway(t), startGateway(t))
	bearer := http.Header{"Authorization": {"Bearer " + pushToken}, "Content-Type": {"application/json"}}
	for _, c := range []struct {
		method, addr, target string
		header               http.Header
		want                 int
	}{
		{"GET", b.clients, "/", nil, 200},
		{"HEAD", b.clients, "/index.html", nil, 200},
		{"GET", b.clients, "/healthz", nil, 200},
		{"GET", b.clients, "/ws?token=Admin@123", nil, 400}, // by a gateway: it is no handshake,
		{"GET", b.clients, "/readyz", nil, 404},
		{"GET", b.clients, "/metrics", bearer, 404},
		{"POST", b.clients, "/", bearer, 404},
		{"POST", b.clients, "/websocket/broadcast", bearer, 404},
		{"GET", b.clients, "/websocket/online/count", bearer, 404},
		{"GET", b.clients, "//websocket/online/count", bearer, 404},
		{"GET", b.clients, "http://gateway/websocket/online/count", bearer, 404},
		{"GET", b.clients, "/%77ebsocket/online/count", bearer, 404},
		{"GET", b.clients, "/assets/../websocket/online/count", bearer, 404},
		{"GET", b.clients, "/assets/..%2fwebsocket/online/count", bearer, 404},
		{"GET", b.clients, "/ws/../websocket/online/count", bearer, 404},
		{"GET", b.clients, "/", http.Header{"Content-Length": {"0"}}, 200},
		{"GET", b.clients, "/", http.Header{"Content-Length": {"100000"}}, 400}, // which never come
		{"GET", b.clients, "/", http.Header{"Transfer-Encoding": {"chunked"}}, 400},
		{"POST", b.backends, "/websocket/broadcast", bearer, 200},
		{"POST", b.backends, "/websocket/broadcast", nil, 401},
		{"GET", b.backends, "/websocket/online/count", bearer, 200},
		{"GET", b.backends, "/metrics", bearer, 404},
		{"GET", b.backends, "/ws", nil, 404},
	} {
		if got := status(t, c.method, c.addr, c.target, c.header); got != c.want {
			t.Errorf("%s %s %s: got %d, want %d", c.method, c.addr, c.target, got, c.want)
		}
	}
	for line := range strings.Lines(read(t, b.log)) {
		if strings.Contains(line, "token=") {
			t.Errorf("a query is in the log: %s", line)
		}
	}
	// The page and what it needs.
	res, err := http.Get("http://" + b.clients + "/")
	if err != nil {
		t.Fatal(err)
	}
	page, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	_, rest, found := strings.Cut(string(page), `="/assets/`)
	name, _, _ := strings.Cut(rest, `"`)
	if !found || status(t, "GET", b.clients, "/assets/"+name, nil) != 200 {
		t.Errorf("asset %q is not served", name)
	}
}

// TestHAProxySessions spreads sessions over two gateways, reloads HAProxy under
// them, and drains a gateway.
func TestHAProxySessions(t *testing.T) {
	first, second := startGateway(t), startGateway(t)
	b := startBalancer(t, first, second)
	const n = 6
	conns := make([]*websocket.Conn, n)
	for i := range conns {
		conns[i] = b.connect()
		beat(t, conns[i])
	}
	if a, b := first.SessionCount(), second.SessionCount(); a+b != n || min(a, b) < n/3 {
		t.Errorf("the gateways have %d and %d sessions of %d", a, b, n)
	}

	b.reload()
	for _, c := range conns {
		beat(t, c)
	}
	beat(t, b.connect())

	before := first.SessionCount()
	second.drain()
	closed := 0
	for _, c := range conns {
		// A session of the gateway that drains is told to go elsewhere.
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		err := c.Write(ctx, websocket.MessageText, []byte(`{"type":"HEARTBEAT"}`))
		if err == nil {
			_, _, err = c.Read(ctx)
		}
		cancel()
		var end websocket.CloseError
		switch {
		case errors.As(err, &end) && (end.Code == websocket.StatusGoingAway || end.Code == websocket.StatusServiceRestart):
			closed++
		case err != nil:
			t.Errorf("got %v", err)
		}
	}
	if closed == 0 || closed == len(conns) {
		t.Errorf("%d sessions of %d were closed", closed, len(conns))
	}
	for range 3 {
		beat(t, b.connect())
	}
	if got := first.SessionCount(); got != before+3 {
		t.Errorf("the gateway that stays has %d sessions, want %d", got, before+3)
	}
}
