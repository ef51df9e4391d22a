package admin

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
)

// TestAccess makes one call as different callers.
func TestAccess(t *testing.T) {
	t.Parallel()
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	local := Options{}
	guarded := Options{Tokens: []string{"first", "TOPSECRET"}}
	pages := Options{AllowedOrigins: []string{"https://ops.example.com", "http://*.intern.example:8080", "https://Case.example/", "http://localhost:*"}}
	guardedPages := Options{Tokens: guarded.Tokens, AllowedOrigins: pages.AllowedOrigins}
	const bearer = "Authorization: Bearer TOPSECRET"
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 1} }
	unix := &net.UnixAddr{Net: "unix"}
	for _, c := range []struct {
		name  string
		opt   Options
		peer  net.Addr
		lines []string
		want  int
	}{
		{"local", local, loopback, nil, 200},
		{"local, another loopback address", local, tcp("127.3.2.1"), nil, 200},
		{"local, IPv6", local, tcp("::1"), []string{"Host: [::1]:18001"}, 200},
		{"local, IPv4 in IPv6", local, tcp("::ffff:127.0.0.1"), nil, 200},
		{"Unix socket", local, unix, []string{"Host: whatever"}, 200},
		{"Unix socket of another kind", local, addr{"unixgram", "@"}, nil, 200},
		{"address as text", local, addr{"tcp", "127.0.0.1:5"}, nil, 200},
		{"address as text, remote", local, addr{"tcp", "192.0.2.1:5"}, nil, 403},
		{"address as text, no address", local, addr{"pipe", "pipe"}, nil, 403},
		{"remote", local, remote, nil, 403},
		{"remote, private", local, tcp("10.0.0.1"), nil, 403},
		{"remote, unspecified", local, tcp("0.0.0.0"), nil, 403},
		{"remote, IPv6", local, tcp("2001:db8::1"), nil, 403},
		{"remote that says it is local", local, remote, []string{"Host: localhost", "X-Forwarded-For: 127.0.0.1"}, 403},
		{"a token nobody asked for", local, remote, []string{bearer}, 403},

		{"Forwarded", local, loopback, []string{"Forwarded: for=127.0.0.1"}, 403},
		{"X-Forwarded-For", local, loopback, []string{"X-Forwarded-For: 127.0.0.1"}, 403},
		{"x-forwarded-for, empty", local, loopback, []string{"x-forwarded-for:"}, 403},
		{"X-Forwarded-Proto", local, loopback, []string{"X-Forwarded-Proto: https"}, 403},
		{"X-Forwarded-Host", local, loopback, []string{"X-Forwarded-Host: localhost"}, 403},
		{"X_Forwarded_For", local, loopback, []string{"X_Forwarded_For: 127.0.0.1"}, 403},
		{"X-Real-IP", local, loopback, []string{"X-REAL-IP: 127.0.0.1"}, 403},
		{"X-Original-For", local, loopback, []string{"X-Original-For: 127.0.0.1"}, 403},
		{"Via", local, loopback, []string{"Via: 1.1 proxy"}, 403},
		{"CF-Connecting-IP", local, loopback, []string{"CF-Connecting-IP: 127.0.0.1"}, 403},
		{"True-Client-IP", local, loopback, []string{"True-Client-IP: 127.0.0.1"}, 403},
		{"X-Client-IP", local, loopback, []string{"X-Client-IP: 127.0.0.1"}, 403},
		{"forwarded over a Unix socket", local, unix, []string{"X-Forwarded-For: 127.0.0.1"}, 403},
		{"headers of other kinds", local, loopback, []string{"X-Request-Id: 1", "Traceparent: 00-1-1-00", "User-Agent: curl"}, 200},

		{"Host localhost without port", local, loopback, []string{"Host: localhost"}, 200},
		{"Host LOCALHOST.", local, loopback, []string{"Host: LOCALHOST.:1"}, 200},
		{"Host under localhost", local, loopback, []string{"Host: push.localhost:1"}, 200},
		{"Host 127.0.0.1", local, loopback, []string{"Host: 127.0.0.1:18001"}, 200},
		{"Host [::1] without port", local, loopback, []string{"Host: [::1]"}, 200},
		{"Host of this machine", local, loopback, []string{"Host: " + hostname + ":18001"}, 200},
		{"DNS rebinding, GET without an Origin", local, loopback, []string{"Host: evil.example:18001"}, 403},
		{"DNS rebinding, same origin", local, loopback, []string{"Host: evil.example:18001", "Origin: http://evil.example:18001"}, 403},
		{"DNS rebinding with the own name", local, loopback, []string{"Host: " + hostname, "Origin: http://" + hostname}, 403},
		{"DNS rebinding to a name like localhost", local, loopback, []string{"Host: localhost.evil.example"}, 403},
		{"DNS rebinding to a name like an address", local, loopback, []string{"Host: 127.0.0.1.evil.example"}, 403},
		{"DNS rebinding, notlocalhost", local, loopback, []string{"Host: notlocalhost"}, 403},
		{"Host of another address", local, loopback, []string{"Host: 192.0.2.1"}, 403},

		{"same origin", local, loopback, []string{"Host: localhost:18001", "Origin: http://localhost:18001"}, 200},
		{"same origin, address", local, loopback, []string{"Host: 127.0.0.1:18001", "Origin: http://127.0.0.1:18001"}, 200},
		{"same origin, IPv6", local, loopback, []string{"Host: [::1]:18001", "Origin: http://[::1]:18001"}, 200},
		{"same origin, port left out", local, loopback, []string{"Host: localhost:80", "Origin: http://localhost"}, 200},
		{"same origin, case", local, loopback, []string{"Host: LocalHost:18001", "Origin: http://localhost:18001"}, 200},
		{"another port", local, loopback, []string{"Origin: http://localhost:5173"}, 403},
		{"another loopback name", local, loopback, []string{"Origin: http://127.0.0.1:18001"}, 403},
		{"https of the own host", local, loopback, []string{"Origin: https://localhost:18001"}, 403},
		{"foreign", local, loopback, []string{"Origin: https://evil.example"}, 403},
		{"foreign that begins the same", local, loopback, []string{"Origin: http://localhost:18001.evil.example"}, 403},
		{"foreign with a user", local, loopback, []string{"Origin: http://localhost:18001@evil.example"}, 403},
		{"with a path", local, loopback, []string{"Origin: http://localhost:18001/"}, 403},
		{"null", local, loopback, []string{"Origin: null"}, 403},
		{"empty", local, loopback, []string{"Origin:"}, 403},
		{"no URL", local, loopback, []string{"Origin: http://[::1"}, 403},
		{"scheme of another kind", local, loopback, []string{"Origin: file://localhost:18001"}, 403},
		{"two origins", local, loopback, []string{"Origin: http://localhost:18001", "Origin: https://evil.example"}, 403},
		{"foreign over a Unix socket", local, unix, []string{"Origin: https://evil.example"}, 403},

		{"configured", pages, loopback, []string{"Origin: https://ops.example.com"}, 200},
		{"configured, case", pages, loopback, []string{"Origin: HTTPS://OPS.example.com"}, 200},
		{"configured, in another case and with a slash", pages, loopback, []string{"Origin: https://case.example"}, 200},
		{"configured, from remote", pages, remote, []string{"Origin: https://ops.example.com"}, 403},
		{"configured, rebinding", pages, loopback, []string{"Host: evil.example", "Origin: https://ops.example.com"}, 403},
		{"configured, other scheme", pages, loopback, []string{"Origin: http://ops.example.com"}, 403},
		{"configured, other port", pages, loopback, []string{"Origin: https://ops.example.com:8443"}, 403},
		{"configured, longer", pages, loopback, []string{"Origin: https://ops.example.com.evil.example"}, 403},
		{"configured, dot is a dot", pages, loopback, []string{"Origin: https://opsxexample.com"}, 403},
		{"pattern", pages, loopback, []string{"Origin: http://a.b.intern.example:8080"}, 200},
		{"pattern, nothing for the star", pages, loopback, []string{"Origin: http://.intern.example:8080"}, 403},
		{"pattern, no port", pages, loopback, []string{"Origin: http://a.intern.example"}, 403},
		{"pattern, a user in place of the star", pages, loopback, []string{"Origin: http://evil.example@a.intern.example:8080"}, 403},
		{"pattern of a port", pages, loopback, []string{"Origin: http://localhost:5173"}, 200},
		{"every origin", Options{AllowedOrigins: []string{"*"}}, loopback, []string{"Origin: https://any.example"}, 200},
		{"every origin, null", Options{AllowedOrigins: []string{"*"}}, loopback, []string{"Origin: null"}, 200},

		{"token", guarded, remote, []string{bearer}, 200},
		{"first token", guarded, remote, []string{"authorization: bearer  first "}, 200},
		{"token through a proxy", guarded, loopback, []string{bearer, "X-Forwarded-For: 192.0.2.1", "Host: push.example"}, 200},
		{"no token, local", guarded, loopback, nil, 401},
		{"no token, remote", guarded, remote, nil, 401},
		{"wrong token", guarded, loopback, []string{"Authorization: Bearer topsecret"}, 401},
		{"token cut", guarded, loopback, []string{"Authorization: Bearer TOPSECRE"}, 401},
		{"empty token", guarded, loopback, []string{"Authorization: Bearer "}, 401},
		{"scheme only", guarded, loopback, []string{"Authorization: Bearer"}, 401},
		{"token without a scheme", guarded, loopback, []string{"Authorization: TOPSECRET"}, 401},
		{"another scheme", guarded, loopback, []string{"Authorization: Basic TOPSECRET"}, 401},
		{"two tokens", guarded, loopback, []string{bearer, "Authorization: Bearer x"}, 401},
		{"both in one", guarded, loopback, []string{"Authorization: Bearer first TOPSECRET"}, 401},
		{"token in a cookie", guarded, loopback, []string{"Cookie: token=TOPSECRET"}, 401},
		{"blank token configured", Options{Tokens: []string{"", " "}}, loopback, []string{"Authorization: Bearer  "}, 401},
		{"blank token configured, none sent", Options{Tokens: []string{""}}, loopback, nil, 401},
		{"token, foreign origin", guarded, remote, []string{bearer, "Origin: https://evil.example"}, 403},
		{"foreign origin without a token", guarded, remote, []string{"Origin: https://evil.example"}, 403},
		{"token, own page behind TLS", guarded, remote, []string{bearer, "Host: push.example", "Origin: https://push.example"}, 200},
		{"own page without a token", guarded, remote, []string{"Host: push.example", "Origin: https://push.example"}, 401},
		{"token, another port", guarded, remote, []string{bearer, "Host: push.example:8443", "Origin: https://push.example"}, 403},
		{"token, configured origin", guardedPages, remote, []string{bearer, "Origin: https://ops.example.com"}, 200},
		{"configured origin without a token", guardedPages, remote, []string{"Origin: https://ops.example.com"}, 401},

		{"open", Options{Open: true}, remote, []string{"Host: evil.example", "Origin: https://evil.example", "Via: 1.1 x"}, 200},
		{"open, two origins", Options{Open: true}, remote, []string{"Origin: null", "Origin: null"}, 200},
		{"open with tokens", Options{Open: true, Tokens: []string{"t"}}, remote, nil, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := &fakeGateway{}
			listener := start(t, New(g, c.opt).Handler())
			for target, method := range map[string]string{"/websocket/online/users": "GET", "/websocket/broadcast": "POST"} {
				body := ""
				if method == "POST" {
					body = `{"message":"m"}`
				}
				r := roundTrip(t, listener, c.peer, request(method, target, body, append([]string{asJSON}, c.lines...)...), method)
				if r.status != c.want {
					t.Fatalf("%s = %d (%s), want %d", method, r.status, r.body, c.want)
				}
				if r.status != 200 {
					r.problem(t)
				}
				if got := r.header.Get("WWW-Authenticate"); (r.status == 401) != strings.HasPrefix(got, "Bearer ") {
					t.Errorf("%s: status %d with WWW-Authenticate %q", method, r.status, got)
				}
				if strings.Contains(r.body, "TOPSECRET") {
					t.Errorf("the answer contains the token: %s", r.body)
				}
			}
			if want := map[bool]int{true: 1}[c.want == 200]; len(g.taken()) != want {
				t.Errorf("the gateway was called, or not: want %d calls", want)
			}
		})
	}
}

type addr struct{ network, text string }

func (a addr) Network() string { return a.network }
func (a addr) String() string  { return a.text }

// TestAccessGuardsEveryCall makes sure that none was forgotten, whatever the method.
func TestAccessGuardsEveryCall(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{}
	listener := start(t, New(g, Options{}).Handler())
	for target, right := range calls {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "OPTIONS"} {
			r := roundTrip(t, listener, remote, request(method, target, `{"message":"m","userIds":["1"]}`, asJSON), method)
			want := 403
			switch public := !strings.HasPrefix(target, "/websocket/"); {
			case public && (method == right || method == "HEAD" || method == "OPTIONS"):
				want = 200
			case public:
				want = 405
			}
			if r.status != want {
				t.Errorf("%s %s from remote = %d, want %d", method, target, r.status, want)
			}
		}
	}
	if calls := g.taken(); len(calls) != 0 {
		t.Errorf("the gateway was called: %q", calls)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	opt := Options{Tokens: []string{"t"}, AllowedOrigins: []string{"https://ops.example.com"}}
	listener := start(t, New(&fakeGateway{}, opt).Handler())
	const origin, target = "Origin: https://ops.example.com", "/websocket/broadcast"
	ask := []string{"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,content-type"}

	r := roundTrip(t, listener, remote, request("OPTIONS", target, "", append(ask, origin)...), "OPTIONS")
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin":      "https://ops.example.com",
		"Access-Control-Allow-Methods":     "POST, OPTIONS",
		"Access-Control-Allow-Headers":     "Authorization, Content-Type, Prefer",
		"Access-Control-Max-Age":           "600",
		"Access-Control-Allow-Credentials": "",
		"Vary":                             "Origin",
		"Allow":                            "POST, OPTIONS",
	} {
		if got := r.header.Get(name); r.status != 200 || got != want {
			t.Errorf("preflight: %d, %s = %q, want 200, %q", r.status, name, got, want)
		}
	}
	// The call itself, and a refusal, are readable for the page.
	for status, lines := range map[int][]string{
		200: {origin, asJSON, "Authorization: Bearer t"},
		401: {origin, asJSON},
		415: {origin, "Authorization: Bearer t"},
	} {
		r := roundTrip(t, listener, remote, request("POST", target, `{"message":"m"}`, lines...), "POST")
		if r.status != status || r.header.Get("Access-Control-Allow-Origin") != "https://ops.example.com" {
			t.Errorf("call: %d %v, want %d and Access-Control-Allow-Origin", r.status, r.header, status)
		}
	}
	// Everybody else gets nothing to go on.
	for _, lines := range [][]string{append(ask, "Origin: https://evil.example"), append(ask, "Origin: null")} {
		r := roundTrip(t, listener, remote, request("OPTIONS", target, "", lines...), "OPTIONS")
		if r.status != 403 || r.header.Get("Access-Control-Allow-Origin") != "" || r.header.Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("foreign preflight: %d %v, want 403 without CORS headers", r.status, r.header)
		}
	}
	r = roundTrip(t, listener, remote, request("OPTIONS", target, ""), "OPTIONS")
	if r.status != 200 || r.header.Get("Access-Control-Allow-Methods") != "" || r.header.Get("Vary") != "" {
		t.Errorf("OPTIONS without an Origin: %d %v, want 200 with Allow only", r.status, r.header)
	}
	listener = start(t, New(&fakeGateway{}, Options{Open: true}).Handler())
	r = roundTrip(t, listener, remote, request("POST", target, `{"message":"m"}`, asJSON, "Origin: https://evil.example"), "POST")
	if r.status != 200 || r.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("open, foreign origin: %d %v, want 200 without CORS headers", r.status, r.header)
	}
}

// TestHostIsNotTakenFromTheTarget names another host in the target than in the Host header, which fasthttp's own
// notion of the host follows.
func TestHostIsNotTakenFromTheTarget(t *testing.T) {
	t.Parallel()
	listener := start(t, New(&fakeGateway{}, Options{}).Handler())
	r := roundTrip(t, listener, loopback, request("GET", "http://localhost/websocket/online/users", "", "Host: evil.example"), "GET")
	if r.status != 403 {
		t.Errorf("Host evil.example with a target at localhost = %d, want 403", r.status)
	}
}

// TestLogKeepsSecrets provokes log lines with a secret in every place a client can put one.
func TestLogKeepsSecrets(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	listener := start(t, New(&fakeGateway{}, Options{Tokens: []string{"TOPSECRET-1"}, Logger: logger}).Handler())
	const calls = 200
	for range calls {
		roundTrip(t, listener, remote, request("POST", "/websocket/kick/user/TOPSECRET?t=TOPSECRET", "",
			"Authorization: Bearer TOPSECRET", "Cookie: TOPSECRET", "X-Token: TOPSECRET"), "POST")
	}
	text := log.String()
	if strings.Contains(text, "TOPSECRET") {
		t.Errorf("a secret in the log:\n%s", text)
	}
	if lines := strings.Count(text, "admin call refused"); lines == 0 || lines > calls/2 {
		t.Errorf("%d log lines for %d refusals, want some, at a bounded rate", lines, calls)
	}
	if !strings.Contains(text, "peer=192.0.2.7:40000") || !strings.Contains(text, "path=/websocket/kick/user/{id}") {
		t.Errorf("the log does not say who and what:\n%.300s", text)
	}
}
