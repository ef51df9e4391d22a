package server

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"carillon/server/config"
)

// TestUnixSocket serves both kinds of clients on a Unix socket.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.sock")
	r := start(t, func(cfg *config.Config) {
		cfg.Server.UnixSocket = path
		cfg.Server.Address = ""
		cfg.Server.Port = config.Default().Server.Port
	})
	c := dialRaw(t, r)
	c.upgrade("unix")
	c.heartbeat()
	h := dialRaw(t, r)
	h.send("POST /websocket/send/user/unix HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"message\":\"hi\"}")
	if res, body := h.response(); res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", res.Status, body)
	}
	c.expectText("hi")
	// The connection of the push becomes a session.
	h.upgrade("kept")
	h.heartbeat()
	if n, err := r.PushUser("kept", []byte("hello")); n != 1 || err != nil {
		t.Fatalf("push reached %d, %v", n, err)
	}
	h.expectText("hello")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}
