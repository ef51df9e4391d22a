package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"carillon/server/config"
)

// TestPathsThatLookLikeTheEndpoint sends paths that an HTTP library would clean
// up to the endpoint: they are other paths, on a fresh connection and on a
// kept-alive one, and never bounce between reactor and HTTP server.
func TestPathsThatLookLikeTheEndpoint(t *testing.T) {
	r := start(t, nil)
	for _, target := range []string{"//ws", "/./ws", "/x/../ws", "/%77s", "/ws/", "/WS", "/ws%00"} {
		t.Run(target, func(t *testing.T) {
			nc, err := net.Dial("tcp", r.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			_ = nc.SetDeadline(time.Now().Add(testPatience))
			br := bufio.NewReader(nc)
			for range 2 {
				fmt.Fprintf(nc, "GET %s?token=u-a HTTP/1.1\r\nHost: %s\r\n\r\n", target, r.Addr())
				res, err := http.ReadResponse(br, nil)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if res.StatusCode != 404 && res.StatusCode != 400 {
					t.Fatalf("got %s, want 404 or 400", res.Status)
				}
			}
		})
	}
}

// TestAdminListener moves the HTTP endpoints to a listener of their own; page
// and health stay where clients connect.
func TestAdminListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	own := ln.Addr().String()
	_ = ln.Close()
	r := start(t, func(cfg *config.Config) { cfg.Admin.Listen = own })
	for _, c := range []struct {
		addr, path string
		status     int
	}{
		{r.Addr(), "/websocket/online/count", 404},
		{r.Addr(), "/metrics", 404},
		{r.Addr(), "/", 200},
		{r.Addr(), "/readyz", 200},
		{own, "/websocket/online/count", 200},
		{own, "/metrics", 200},
		{own, "/readyz", 200},
		{own, "/", 404},
	} {
		res, err := http.Get("http://" + c.addr + c.path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != c.status {
			t.Errorf("%s%s: got %d, want %d", c.addr, c.path, res.StatusCode, c.status)
		}
	}
}

// TestHTTPDeadlines: the head of a plain request has server.handshake-timeout, as
// that of a handshake has, the first one of a connection and later ones; a body
// and the time between two requests have longer.
func TestHTTPDeadlines(t *testing.T) {
	const timeout = 400 * time.Millisecond
	r := start(t, func(cfg *config.Config) { cfg.Server.HandshakeTimeout = timeout })
	healthz := "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
	ok := func(c *rawConn) {
		t.Helper()
		if res, body := c.response(); res.StatusCode != 200 {
			t.Fatalf("%s %s", res.Status, body)
		}
	}
	slow := func(c *rawConn) (cut bool) {
		tick := time.NewTicker(timeout / 20)
		defer tick.Stop()
		next := "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
		for range 100 { // five times as long as it may take
			if _, err := io.WriteString(c, next); err != nil {
				return true
			}
			next = "x"
			<-tick.C
		}
		return false
	}
	var wg sync.WaitGroup
	for _, requests := range []int{0, 1, 2} {
		c := dialRaw(t, r)
		for range requests {
			c.send(healthz)
			ok(c)
		}
		wg.Go(func() {
			if !slow(c) {
				t.Errorf("a head that took too long after %d requests was not cut", requests)
			}
		})
	}
	patient := dialRaw(t, r)
	patient.send(healthz)
	ok(patient)
	body := `{"message":"` + strings.Repeat("x", 38) + `"}`
	wg.Wait() // longer than a head may take: idle
	patient.send(fmt.Sprintf("POST /websocket/broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(body)))
	tick := time.NewTicker(timeout / 20)
	defer tick.Stop()
	for i := range body { // longer than a head may take
		patient.send(body[i : i+1])
		<-tick.C
	}
	ok(patient)
	_ = patient.Close()
	waitFor(t, "all places to be free", func() bool { return r.reactor.Conns() == 0 })
}

// TestHTTPOnTheSamePort: what an HTTP client may do works on the port that
// clients connect to: pipelining, chunked bodies, Expect, HEAD, bodies in pieces.
func TestHTTPOnTheSamePort(t *testing.T) {
	r := start(t, nil)
	ann := dialRaw(t, r)
	ann.upgrade("ann")
	ann.heartbeat()
	c := dialRaw(t, r)
	head := "POST /websocket/send/user/ann HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	want := func(status int) {
		t.Helper()
		if res, body := c.response(); res.StatusCode != status {
			t.Fatalf("%s %s, want %d", res.Status, body, status)
		}
	}

	plain := head + "Content-Length: 17\r\n\r\n{\"message\":\"one\"}"
	c.send(plain + plain + plain)
	for range 3 {
		want(200)
		ann.expectText("one")
	}

	c.send(head + "Transfer-Encoding: chunked\r\n\r\n")
	for _, chunk := range []string{`{"mess`, `age":"t`, `wo"}`} {
		c.send(fmt.Sprintf("%x\r\n%s\r\n", len(chunk), chunk))
	}
	c.send("0\r\n\r\n")
	want(200)
	ann.expectText("two")

	c.send(head + "Expect: 100-continue\r\nContent-Length: 19\r\n\r\n")
	want(100)
	c.send(`{"message":"three"}`)
	want(200)
	ann.expectText("three")

	large := strings.Repeat("x", 300_000)
	body := `{"message":"` + large + `"}`
	c.send(head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)))
	for at := 0; at < len(body); at += 10_000 {
		c.send(body[at:min(at+10_000, len(body))])
	}
	want(200)
	ann.expectText(large)

	c.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	res, err := http.ReadResponse(c.br, &http.Request{Method: "HEAD"})
	if err != nil || res.StatusCode != 200 || res.ContentLength < 1000 {
		t.Fatalf("HEAD: %+v, %v", res, err)
	}
	want(200)

	c.send("GET /websocket/online/count HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	want(200)
	c.expectEOF()
	waitFor(t, "its place to be free", func() bool { return r.reactor.Conns() == 1 })
}

// TestBodiesAreReadForThoseWhoMay: who may not call is told so before the body is
// there, so that nobody fills memory with bodies that nothing comes of.
func TestBodiesAreReadForThoseWhoMay(t *testing.T) {
	r := start(t, func(cfg *config.Config) { cfg.Admin.Tokens = []string{"right"} })
	const length = 1 << 20
	head := func(method, path, token, kind string) string {
		return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", method, path, token, kind, length)
	}
	part := strings.Repeat(" ", 64<<10)
	for _, tc := range []struct {
		method, path, token, kind string
		want                      int
	}{
		{"POST", "/websocket/broadcast", "wrong", "application/json", 401},
		{"POST", "/websocket/broadcast", "wrong", "multipart/form-data; boundary=x", 401},
		{"POST", "/", "right", "application/json", 405},
		{"GET", "/", "right", "multipart/form-data; boundary=x", 200},
		{"POST", "/nowhere", "right", "multipart/form-data; boundary=x", 404},
		{"POST", "/websocket/broadcast", "right", "multipart/form-data; boundary=x", 415},
	} {
		c := dialRaw(t, r)
		c.send(head(tc.method, tc.path, tc.token, tc.kind) + part)
		if res, body := c.response(); res.StatusCode != tc.want {
			t.Errorf("%+v: %s %s", tc, res.Status, body)
		}
	}
	ann := dialRaw(t, r)
	ann.upgrade("ann")
	c := dialRaw(t, r)
	text := `{"message":"whole"}`
	c.send(head("POST", "/websocket/broadcast", "right", "application/json") + part)
	c.send(strings.Repeat(" ", length-len(part)-len(text)) + text)
	if res, body := c.response(); res.StatusCode != 200 {
		t.Errorf("%s %s", res.Status, body)
	}
	ann.expectText("whole")
}
