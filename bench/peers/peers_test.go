// Package peers tests that the servers to compare with do what is compared.
package peers

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"carillon/bench/peers/internal/proc"
)

func TestMain(m *testing.M) {
	if err := exec.Command("./install.sh").Run(); err != nil {
		fmt.Fprintln(os.Stderr, "install.sh:", err)
		os.Exit(1)
	}
	status := m.Run()
	if dir, _ := built(); dir != "" {
		_ = os.RemoveAll(dir)
	}
	if err := goleak.Find(); status == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

const patience = 20 * time.Second

// freePort returns a port that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	port, err := proc.FreePort("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// serve starts a server and returns its address when it says that it is ready.
func serve(t testing.TB, command ...string) string {
	t.Helper()
	if _, err := os.Stat(command[0]); filepath.Base(command[0]) != command[0] && errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s is not there: run install.sh", command[0])
	}
	port := freePort(t)
	cmd := exec.Command(command[0], append(command[1:], "--port", port)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	tooLate := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer tooLate.Stop()
	for in := bufio.NewScanner(out); ; {
		if !in.Scan() {
			t.Fatalf("%v ended without being ready", command)
		}
		if in.Text() == "ready" {
			return "127.0.0.1:" + port
		}
	}
}

// built are the commands of this module that tests start, in one directory.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return "", err
	}
	args := []string{"build", "-o", dir}
	for _, name := range []string{"gorillaserver", "gorillaclient", "coderserver", "gwsserver", "nbioserver", "centrifugeserver"} {
		args = append(args, "./"+name)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build: %w\n%s", err, out)
	}
	return dir, nil
})

// build returns the path of a command of this module.
func build(t testing.TB, name string) string {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

func servers(t *testing.T) map[string][]string {
	return map[string][]string{
		"gorilla":   {build(t, "gorillaserver")},
		"coder":     {build(t, "coderserver")},
		"gws":       {build(t, "gwsserver")},
		"nbio":      {build(t, "nbioserver")},
		"ws":        {"node", "node/server.js"},
		"socketify": {"socketify/.venv/bin/python", "socketify/server.py"},
	}
}

func dial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatalf("dial %s: %v", url, err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(patience))
	return c
}

func send(t *testing.T, c *websocket.Conn, kind int, text string) {
	t.Helper()
	if err := c.WriteMessage(kind, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, c *websocket.Conn, kind int, text string) {
	t.Helper()
	got, b, err := c.ReadMessage()
	if err != nil || got != kind || string(b) != text {
		t.Fatalf("got %d %.60q %v, want %d %.60q", got, b, err, kind, text)
	}
}

func post(t *testing.T, url, body string) int {
	t.Helper()
	// Kept alive: nbio loses answers to requests that ask for the connection to be closed.
	client := http.Client{Transport: &http.Transport{}, Timeout: patience}
	defer client.CloseIdleConnections()
	resp, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestServers(t *testing.T) {
	for name, command := range servers(t) {
		t.Run(name, func(t *testing.T) {
			addr := serve(t, command...)
			t.Run("echo", func(t *testing.T) {
				c := dial(t, "ws://"+addr+"/echo")
				long := strings.Repeat("ä", 50_000)
				send(t, c, websocket.TextMessage, "hello")
				send(t, c, websocket.BinaryMessage, "\x00\xff")
				send(t, c, websocket.TextMessage, long)
				want(t, c, websocket.TextMessage, "hello")
				want(t, c, websocket.BinaryMessage, "\x00\xff")
				want(t, c, websocket.TextMessage, long)
			})
			t.Run("publish", func(t *testing.T) {
				a, b := dial(t, "ws://"+addr+"/ws?token=a"), dial(t, "ws://"+addr+"/ws?token=b%20b")
				for _, c := range []*websocket.Conn{a, b} { // the answer says that the server knows the user
					send(t, c, websocket.TextMessage, `{"type":"HEARTBEAT"}`)
					want(t, c, websocket.TextMessage, `{"type":"HEARTBEAT_ACK"}`)
				}
				for i := range 100 {
					if status := post(t, "http://"+addr+"/websocket/broadcast", fmt.Sprintf(`{"message":"ä %d"}`, i)); status != 200 {
						t.Fatalf("broadcast: status %d", status)
					}
				}
				for i := range 100 {
					want(t, a, websocket.TextMessage, fmt.Sprintf("ä %d", i))
					want(t, b, websocket.TextMessage, fmt.Sprintf("ä %d", i))
				}
				for user, text := range map[string]string{"a": "for a", "b%20b": "for b", "nobody": "lost"} {
					if status := post(t, "http://"+addr+"/websocket/send/user/"+user, `{"message":"`+text+`"}`); status != 200 {
						t.Errorf("push: status %d", status)
					}
				}
				want(t, a, websocket.TextMessage, "for a")
				want(t, b, websocket.TextMessage, "for b")
				for _, body := range []string{`{}`, `{"message":1}`, `nonsense`} {
					if status := post(t, "http://"+addr+"/websocket/broadcast", body); status != 400 {
						t.Errorf("%s: status %d, want 400", body, status)
					}
				}
			})
		})
	}
}
