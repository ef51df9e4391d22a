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

// TestHTTPConnectionLimit: over server.max-http-connections the client that has said
// nothing for longest goes, be it between two requests or in the middle of one, so
// that strangers keep out neither health checks nor back ends; WebSockets are not
// plain HTTP.
func TestHTTPConnectionLimit(t *testing.T) {
	const places = 3
	r := start(t, func(cfg *config.Config) { cfg.Server.MaxHTTPConnections = places })
	for name, request := range map[string]string{
		"idle": "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"body": "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat(" ", 50_000),
	} {
		t.Run(name, func(t *testing.T) {
			var kept []*rawConn
			for range 3 * places {
				c := dialRaw(t, r)
				c.send(request)
				res, _ := c.response()
				if res.StatusCode != http.StatusOK || res.Header.Get("Server") != "" {
					t.Fatalf("got %s of %q, want 200", res.Status, res.Header.Get("Server"))
				}
				kept = append(kept, c)
			}
			for _, c := range kept[:2*places] {
				c.expectEOF()
			}
			c := dialRaw(t, r)
			c.upgrade("ann")
			c.heartbeat()
			last := kept[len(kept)-1]
			if name == "idle" {
				last.send(request)
				if res, _ := last.response(); res.StatusCode != http.StatusOK {
					t.Errorf("the last one: %s", res.Status)
				}
			}
		})
	}
	waitFor(t, "all to be gone", func() bool {
		r.web.mu.Lock()
		defer r.web.mu.Unlock()
		return r.web.taken <= places && r.web.taken == len(r.web.open) && r.web.turns.Len() <= r.web.taken
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
