package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"carillon/cluster"
)

func TestPreferRepresentation(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{delivery: Delivery{Sessions: 2, Users: 1, Offline: []string{"x"}, Complete: true}}
	listener := start(t, New(g, Options{}).Handler())
	const prefer = "Prefer: return=representation"
	for target, method := range calls {
		if method != "POST" {
			continue
		}
		body := `{"message":"m","userIds":["1","x"]}`
		if target == "/websocket/kick/all" {
			body = `{"confirm":"kick all"}`
		}
		r := roundTrip(t, listener, loopback, request("POST", target, body, asJSON, prefer), "POST")
		if r.status != 200 || r.body != `{"sessions":2,"users":1,"offline":["x"],"complete":true}` {
			t.Errorf("%s = %d %s, want the delivery", target, r.status, r.body)
		}
		if r.header.Get("Content-Type") != "application/json" || r.header.Get("Preference-Applied") != "return=representation" {
			t.Errorf("%s: header %v, want application/json and Preference-Applied", target, r.header)
		}
		if calls := g.taken(); len(calls) != 1 || !strings.HasSuffix(calls[0], " true") && calls[0] != "heartbeats" {
			t.Errorf("%s: the gateway was asked for %q, want one call that waits", target, calls)
		}
	}
	g.delivery = Delivery{
		Routed:      []Route{{Node: "b", Users: []string{"u"}}, {Node: "c", Sessions: []string{"s"}}},
		Everywhere:  true,
		Unreachable: []Unreachable{{User: "f", Reason: "r"}, {Session: "t", Node: "d", Reason: "r"}},
	}
	r := roundTrip(t, listener, loopback, request("POST", "/websocket/broadcast", `{"message":"m"}`, asJSON, prefer), "POST")
	if want := `{"sessions":0,"routed":[{"node":"b","users":["u"]},{"node":"c","sessions":["s"]}],"everywhere":true,` +
		`"unreachable":[{"user":"f","reason":"r"},{"session":"t","node":"d","reason":"r"}],"complete":false}`; r.body != want {
		t.Errorf("got %s, want %s", r.body, want)
	}
	g.taken()
	r = roundTrip(t, listener, loopback, request("POST", "/websocket/send/users", `{"message":"m","userIds":[]}`, asJSON, prefer), "POST")
	if r.body != `{"sessions":0,"complete":true}` || len(g.taken()) != 0 {
		t.Errorf("push to nobody = %s, want no sessions, complete", r.body)
	}
	r = roundTrip(t, listener, loopback, request("POST", "/websocket/broadcast", `{"message":"m"}`, asJSON), "POST")
	if r.body != "" || r.header.Get("Preference-Applied") != "" {
		t.Errorf("without Prefer = %q, %v, want an empty body", r.body, r.header)
	}
}

func TestGatewayErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		retry  string
		close  bool
	}{
		{ErrTooLarge, 413, "", false},
		{fmt.Errorf("shard 3: %w", ErrBusy), 503, "1", false},
		{ErrClosing, 503, "", true},
		{context.DeadlineExceeded, 503, "1", false},
		{fmt.Errorf("%w: dial tcp TOPSECRET", cluster.ErrAway), 503, "5", false},
		{fmt.Errorf("amqp://:TOPSECRET@h: %w", cluster.ErrOutboxFull), 503, "5", false},
		{errors.New("dial redis://:TOPSECRET@10.0.0.1"), 500, "", false},
	} {
		for _, lines := range [][]string{{asJSON}, {asJSON, "Prefer: return=representation"}} {
			listener := start(t, New(&fakeGateway{err: c.err, delivery: Delivery{Sessions: 1}}, Options{}).Handler())
			r := roundTrip(t, listener, loopback, request("POST", "/websocket/broadcast", `{"message":"m"}`, lines...), "POST")
			if r.status != c.status || r.header.Get("Retry-After") != c.retry || r.closed != c.close {
				t.Errorf("%v: %d %v, want %d, Retry-After %q, close %v", c.err, r.status, r.header, c.status, c.retry, c.close)
			}
			r.problem(t)
			if strings.Contains(r.body, "TOPSECRET") {
				t.Errorf("the answer contains the error's text: %s", r.body)
			}
		}
	}
}

func TestPanicEndsOneCallOnly(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{before: func(context.Context) { panic("TOPSECRET") }}
	listener := start(t, New(g, Options{}).Handler())
	r := roundTrip(t, listener, loopback, request("POST", "/websocket/broadcast", `{"message":"m"}`, asJSON), "POST")
	if r.status != 500 || strings.Contains(r.body, "TOPSECRET") {
		t.Fatalf("%d %s, want 500 without the text of the panic", r.status, r.body)
	}
	r.problem(t)
	if r := roundTrip(t, listener, loopback, request("GET", "/healthz", ""), "GET"); r.status != 200 {
		t.Fatalf("afterwards: %d, want 200", r.status)
	}
}

func TestCallsAreBounded(t *testing.T) {
	t.Parallel()
	for _, timeout := range []time.Duration{0, time.Minute} {
		want := timeout
		if want == 0 {
			want = DefaultTimeout
		}
		var left time.Duration
		var used context.Context
		g := &fakeGateway{before: func(ctx context.Context) {
			used = ctx
			until, ok := ctx.Deadline()
			if ok {
				left = time.Until(until)
			}
		}}
		listener := start(t, New(g, Options{Timeout: timeout}).Handler())
		roundTrip(t, listener, loopback, request("POST", "/websocket/heartbeat/check", ""), "POST")
		if left <= want-deadline || left > want {
			t.Errorf("timeout %v: a call has %v left, want about %v", timeout, left, want)
		}
		if used.Err() == nil {
			t.Errorf("timeout %v: the context is still alive after the call", timeout)
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{ready: errors.New("draining")}
	listener := start(t, New(g, Options{Tokens: []string{"t"}}).Handler())
	foreign := []string{"Host: gateway.example", "X-Forwarded-For: 192.0.2.1", "Origin: https://evil.example"}
	get := func(path string) answered {
		return roundTrip(t, listener, remote, request("GET", path, "", foreign...), "GET")
	}
	if r := get("/healthz"); r.status != 200 || r.body != `{"status":"up"}` || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("healthz = %d %s %v, want 200 up", r.status, r.body, r.header)
	}
	if r := get("/readyz"); r.status != 503 || r.problem(t).Detail != "draining" {
		t.Errorf("readyz = %d %s, want 503 with the reason", r.status, r.body)
	}
	g.ready = nil
	if r := get("/readyz"); r.status != 200 || r.body != `{"status":"ready"}` {
		t.Errorf("readyz = %d %s, want 200 ready", r.status, r.body)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	scrape := func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("up 1") }
	for _, c := range []struct {
		name   string
		opt    Options
		peer   net.Addr
		method string
		lines  []string
		want   int
	}{
		{"none", Options{}, loopback, "GET", nil, 404},
		{"local", Options{Metrics: scrape}, loopback, "GET", []string{"Accept: text/plain"}, 200},
		{"HEAD", Options{Metrics: scrape}, loopback, "HEAD", nil, 200},
		{"remote", Options{Metrics: scrape}, remote, "GET", nil, 403},
		{"token", Options{Metrics: scrape, Tokens: []string{"t"}}, remote, "GET", []string{"Authorization: Bearer t"}, 200},
		{"no token", Options{Metrics: scrape, Tokens: []string{"t"}}, loopback, "GET", nil, 401},
		{"POST", Options{Metrics: scrape}, loopback, "POST", nil, 405},
	} {
		listener := start(t, New(&fakeGateway{}, c.opt).Handler())
		r := roundTrip(t, listener, c.peer, request(c.method, "/metrics", "", c.lines...), c.method)
		if r.status != c.want || c.want == 200 && c.method == "GET" && r.body != "up 1" {
			t.Errorf("%s: %d %q, want %d", c.name, r.status, r.body, c.want)
		}
	}
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	const limit = 1000
	frame := len(`{"message":""}`)
	for _, streaming := range []bool{false, true} {
		g := &fakeGateway{}
		listener := start(t, New(g, Options{MaxBody: limit}).Handler(), func(s *fasthttp.Server) { s.StreamRequestBody = streaming })
		for _, chunked := range []bool{false, true} {
			for size, want := range map[int]int{limit: 200, limit + 1: 413, 100 * limit: 413} {
				body := `{"message":"` + strings.Repeat("x", size-frame) + `"}`
				raw := request("POST", "/websocket/broadcast", body, asJSON)
				if chunked {
					raw = "POST /websocket/broadcast HTTP/1.1\r\nHost: localhost\r\n" + asJSON + "\r\nTransfer-Encoding: chunked\r\n\r\n" +
						fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
				}
				r := roundTrip(t, listener, loopback, raw, "POST")
				if r.status != want || len(g.taken()) != map[int]int{200: 1, 413: 0}[want] {
					t.Errorf("streaming %v, chunked %v, %d bytes: %d, want %d", streaming, chunked, size, r.status, want)
				}
				if want == 413 {
					r.problem(t)
				}
			}
		}
	}
}

// TestErrorHandler checks what fasthttp refuses before a handler runs.
func TestErrorHandler(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{}
	listener := start(t, New(g, Options{}).Handler(), func(s *fasthttp.Server) { s.MaxRequestBodySize = 100 })
	for name, c := range map[string]struct {
		raw    string
		status int
	}{
		"body over the server's limit":    {request("POST", "/websocket/broadcast", strings.Repeat("x", 101), asJSON), http.StatusRequestEntityTooLarge},
		"header over the server's buffer": {request("GET", "/healthz", "", "X: "+strings.Repeat("x", 8192)), http.StatusRequestHeaderFieldsTooLarge},
		"no HTTP":                         {"\x16\x03\x01\r\n\r\n", http.StatusBadRequest},
	} {
		r := roundTrip(t, listener, loopback, c.raw, "GET")
		if r.status != c.status || !r.closed {
			t.Errorf("%s: %d %v, want %d and the end of the connection", name, r.status, r.header, c.status)
		}
		if p := r.problem(t); p.Instance != "" {
			t.Errorf("%s: instance %q of a request that was not read", name, p.Instance)
		}
	}
}
