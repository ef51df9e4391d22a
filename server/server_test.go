package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"carillon/server/config"
)

// testPatience bounds every wait of a test; reaching it is a failure.
const testPatience = 20 * time.Second

// running is a gateway under test.
type running struct {
	*Server
	stop func() error  // drains and returns what Run returned, the first time
	done chan struct{} // closed when Run has returned
	log  *syncBuffer
}

// start runs a gateway on a free port of 127.0.0.1 with u-<id> style tokens for
// any user; edit may change its configuration, setup the server before Run.
func start(t testing.TB, edit func(*config.Config), setup ...func(*Server)) *running {
	t.Helper()
	return startWith(t, edit, nil, setup...)
}

// startWith is start for tests that change the Options, too.
func startWith(t testing.TB, edit func(*config.Config), options func(*Options), setup ...func(*Server)) *running {
	t.Helper()
	cfg := config.Default()
	cfg.Server.Address = "127.0.0.1"
	cfg.Server.Port = 0
	cfg.Server.DrainWindow = 0
	cfg.Server.NodeID = "node-test"
	if edit != nil {
		edit(&cfg)
	}
	log := &syncBuffer{}
	opt := Options{Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if cfg.Auth.Mode == config.AuthDemo {
		opt.Verifier = testVerifier{}
	}
	listening := make(chan string, 1)
	opt.OnListen = func(addr string) { listening <- addr }
	if options != nil {
		options(&opt)
	}
	srv, err := New(cfg, opt)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range setup {
		f(srv)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ended error
	r := &running{Server: srv, log: log, done: make(chan struct{})}
	go func() {
		ended = srv.Run(ctx)
		close(r.done)
	}()
	select {
	case <-listening:
	case <-r.done:
		cancel()
		t.Fatalf("run: %v", ended)
	}
	var stopped bool
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		<-r.done
		return ended
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("run: %v", err)
		}
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return r
}

// connect opens a session of a user and waits until it is registered.
func (r *running) connect(t testing.TB, user string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.DefaultDialer.Dial("ws://"+r.Addr()+r.cfg.WebSocket.Endpoint+"?token="+url.QueryEscape("u-"+user), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(testPatience))
	heartbeat(t, c)
	return c
}

func heartbeat(t testing.TB, c *websocket.Conn) {
	t.Helper()
	write(t, c, `{"type":"HEARTBEAT"}`)
	read(t, c, `{"type":"HEARTBEAT_ACK"}`)
}

func write(t testing.TB, c *websocket.Conn, msg string) {
	t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(msg)); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, c *websocket.Conn, want string) {
	t.Helper()
	_, got, err := c.ReadMessage()
	if err != nil {
		t.Fatalf("read: %v, want %q", err, want)
	}
	if string(got) != want {
		t.Fatalf("got %.200q, want %.200q", got, want)
	}
}

func readClose(t testing.TB, c *websocket.Conn, code int, reason string) {
	t.Helper()
	for {
		_, _, err := c.ReadMessage()
		if err == nil {
			continue
		}
		ce, ok := err.(*websocket.CloseError)
		if !ok || ce.Code != code || ce.Text != reason {
			t.Fatalf("got %v, want close %d %q", err, code, reason)
		}
		return
	}
}

// post calls an HTTP endpoint and returns the answer's body.
func (r *running) post(t testing.TB, path, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest("POST", "http://"+r.Addr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(testPatience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestPushesReachWhomTheyName(t *testing.T) {
	r := start(t, nil)
	alice1, alice2, bob := r.connect(t, "alice"), r.connect(t, "alice"), r.connect(t, "bob")
	if n, u := r.SessionCount(), r.OnlineUserCount(); n != 3 || u != 2 {
		t.Fatalf("%d sessions of %d users, want 3 of 2", n, u)
	}
	steps := []struct {
		path, body string
		sessions   int
		to         []*websocket.Conn
	}{
		{"/websocket/send/user/alice", `{"message":"one"}`, 2, []*websocket.Conn{alice1, alice2}},
		{"/websocket/send/user/nobody", `{"message":"two"}`, 0, nil},
		{"/websocket/send/users", `{"userIds":["bob","alice","bob"],"message":"three"}`, 3, []*websocket.Conn{alice1, alice2, bob}},
		{"/websocket/broadcast", `{"message":{"a":[1, 2]}}`, 3, []*websocket.Conn{alice1, alice2, bob}},
		{"/websocket/send/user/bob", `{"message":"` + strings.Repeat("x", 300000) + `"}`, 1, []*websocket.Conn{bob}},
	}
	for _, s := range steps {
		status, body := r.post(t, s.path, s.body, "Prefer", "return=representation")
		var d struct {
			Sessions int  `json:"sessions"`
			Complete bool `json:"complete"`
		}
		if err := json.Unmarshal([]byte(body), &d); err != nil || status != 200 || d.Sessions != s.sessions || !d.Complete {
			t.Fatalf("%s: %d %s, want %d sessions", s.path, status, body, s.sessions)
		}
	}
	read(t, alice1, "one")
	read(t, alice2, "one")
	for _, c := range []*websocket.Conn{alice1, alice2, bob} {
		read(t, c, "three")
		read(t, c, `{"a":[1,2]}`)
	}
	read(t, bob, strings.Repeat("x", 300000))

	if status, _ := r.post(t, "/websocket/kick/user/alice", ""); status != 200 {
		t.Fatalf("kick: %d", status)
	}
	readClose(t, alice1, 1000, "")
	readClose(t, alice2, 1000, "")
	waitFor(t, "alice to be offline", func() bool { return r.OnlineUserCount() == 1 })
	heartbeat(t, bob)
}

func TestSessionIDFindsItsSession(t *testing.T) {
	ids := make(chan string, 3)
	r := start(t, nil, func(s *Server) {
		s.Handle("WHO", func(_ context.Context, m *Message) error {
			ids <- m.Session.ID()
			return m.Session.SendBiz("YOU", []byte(fmt.Sprintf("%q", m.Session.User())))
		})
	})
	a, b := r.connect(t, "a"), r.connect(t, "b")
	write(t, a, `{"type":"BIZ","code":"WHO"}`)
	read(t, a, `{"type":"BIZ","code":"YOU","data":"a"}`)
	id := <-ids
	if err := r.PushSession(id, []byte("for a only")); err != nil {
		t.Fatal(err)
	}
	read(t, a, "for a only")
	// Every change of one character names no session.
	for i := range id {
		for _, x := range "0f-" {
			other := id[:i] + string(x) + id[i+1:]
			if _, ok := r.ids.parse(other); ok && other != id {
				t.Errorf("id %s is taken for %s", other, id)
			}
		}
	}
	if err := r.KickSession(id); err != nil {
		t.Fatal(err)
	}
	readClose(t, a, 1000, "")
	waitFor(t, "a to be gone", func() bool { return r.SessionCount() == 1 })
	if err := r.PushSession(id, []byte("nobody")); err != nil {
		t.Fatal(err)
	}
	heartbeat(t, b)
}
