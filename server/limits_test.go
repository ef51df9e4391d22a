package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"carillon/server/config"
)

// The tests of this file stand for deliberate faults in the code that no other
// test had noticed.

// TestWorkersTakeWhatTheirBoundsSay, to the job.
func TestWorkersTakeWhatTheirBoundsSay(t *testing.T) {
	t.Parallel()
	w := newWorkers(2, 5, func(context.Context, *job) {}) // nobody works
	boxes := []*mailbox{new(mailbox), new(mailbox), new(mailbox)}
	for i, want := range []bool{true, true, false} { // perConn
		if got := w.put(boxes[0], job{}); got != want {
			t.Errorf("job %d of a session was taken: %v, want %v", i, got, want)
		}
	}
	for i, want := range []bool{true, true, false} {
		if got := w.put(boxes[1], job{}); got != want {
			t.Errorf("job %d of the next session was taken: %v, want %v", i, got, want)
		}
	}
	for i, want := range []bool{true, false} { // backlog
		if got := w.put(boxes[2], job{}); got != want {
			t.Errorf("job %d of the last session was taken: %v, want %v", i, got, want)
		}
	}
	if n := w.pending.Load(); n != 5 {
		t.Errorf("%d jobs are counted, want 5", n)
	}
}

// TestLogSaysWhatItLeftOut counts the lines that were not written.
func TestLogSaysWhatItLeftOut(t *testing.T) {
	t.Parallel()
	out := new(syncBuffer)
	l := limited{out: slog.New(slog.NewTextHandler(out, nil)), level: slog.LevelWarn}
	for range 4 {
		l.log("first")
	}
	l.next.Store(0) // the second is over
	l.log("second")
	l.next.Store(0)
	l.log("third")
	text := out.String()
	if strings.Count(text, "\n") != 3 || strings.Count(text, "suppressed=") != 1 || !strings.Contains(text, "msg=second suppressed=3") {
		t.Errorf("got:\n%s", text)
	}
}

// TestHTTPConnectionLimit: over server.max-http-connections the answer is 503; a
// place that becomes free is given again, and sessions need none.
func TestHTTPConnectionLimit(t *testing.T) {
	r := start(t, func(cfg *config.Config) { cfg.Server.MaxHTTPConnections = 3 })
	healthz := func() (*rawConn, int) {
		c := dialRaw(t, r)
		c.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		res, _ := c.response()
		if h := res.Header.Get("Server"); h != "" {
			t.Errorf("the server names itself %q", h)
		}
		return c, res.StatusCode
	}
	var kept []*rawConn
	for range 3 {
		c, status := healthz()
		if status != http.StatusOK {
			t.Fatalf("got %d, want 200", status)
		}
		kept = append(kept, c)
	}
	if _, status := healthz(); status != http.StatusServiceUnavailable {
		t.Errorf("over the limit: got %d, want 503", status)
	}
	c := dialRaw(t, r)
	c.upgrade("ann")
	c.heartbeat()
	_ = kept[0].Close()
	waitFor(t, "a place", func() bool {
		c, status := healthz()
		_ = c.Close()
		return status == http.StatusOK
	})
}

// TestPageNamesTheDemoToken in mode demo, and no token in any other.
func TestPageNamesTheDemoToken(t *testing.T) {
	for _, mode := range []config.AuthMode{config.AuthDemo, config.AuthStatic} {
		r := start(t, func(cfg *config.Config) {
			cfg.Auth.Mode = mode
			if mode == config.AuthStatic {
				cfg.Auth.Tokens = map[string]string{"static-token": "ann"}
			}
		})
		c := dialRaw(t, r)
		c.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		res, body := c.response()
		if res.StatusCode != 200 || strings.Contains(body, demoToken) != (mode == config.AuthDemo) || strings.Contains(body, "static-token") {
			t.Errorf("mode %s: %s, page of %d bytes", mode, res.Status, len(body))
		}
	}
}

// TestLoneHandlerAtShutdownTimeout: a handler that is all that is left counts as
// not finished.
func TestLoneHandlerAtShutdownTimeout(t *testing.T) {
	r, c, told := startHolding(t)
	c.writeFrame(true, 0, ws.OpClose, closePayload(1000, ""))
	c.expectClose(1000, "")
	_ = c.Close()
	waitFor(t, "the connection to be gone", func() bool { return r.reactor.Conns() == 0 })
	if err := r.stop(); !errors.Is(err, ErrDrainTimeout) {
		t.Errorf("run: %v, want ErrDrainTimeout", err)
	}
	<-told
}

// TestLoneAdminRequestAtShutdownTimeout: so does a request on admin.listen, whose
// connections are none of the reactor's; it is cut.
func TestLoneAdminRequestAtShutdownTimeout(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	own := ln.Addr().String()
	_ = ln.Close()
	r := start(t, func(cfg *config.Config) {
		cfg.Admin.Listen = own
		cfg.Server.ShutdownTimeout = time.Second
	})
	nc, err := net.Dial("tcp", own)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(testPatience))
	if _, err := io.WriteString(nc, "POST /websocket/kick/user/x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if n, err := nc.Read(make([]byte, 100)); n == 0 || err != nil { // 100 Continue
		t.Fatalf("read %d bytes, %v", n, err)
	}
	if err := r.stop(); !errors.Is(err, ErrDrainTimeout) {
		t.Errorf("run: %v, want ErrDrainTimeout", err)
	}
	var ne net.Error
	if _, err := io.ReadAll(nc); errors.As(err, &ne) && ne.Timeout() {
		t.Error("the request was not cut")
	}
}
