package server

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"carillon/server/config"
)

// TestHandshake is section 1 of the contract, row by row.
func TestHandshake(t *testing.T) {
	r := start(t, func(cfg *config.Config) {
		cfg.WebSocket.AllowedOrigins = []string{"http://localhost:5173", "https://*.example.org"}
	})
	long := strings.Repeat("x", 9000)
	good := "/ws?token=Admin@123"
	cases := []struct {
		name, request string
		status        int
	}{
		{"good", request(good), 101},
		{"escaped token", request("/ws?token=Admin%40123"), 101},
		{"other parameters", request("/ws?a=1&userId=77&token=Admin@123&b"), 101},
		{"first token counts, bad", request("/ws?token=x&token=Admin@123"), 401},
		{"first token counts, good", request("/ws?token=Admin@123&token=x"), 101},
		{"no token", request("/ws"), 401},
		{"empty token", request("/ws?token="), 401},
		{"blank token", request("/ws?token=%20"), 401},
		{"token without a value", request("/ws?token"), 401},
		{"token in the value of another parameter", request("/ws?a=token=Admin@123"), 401},
		{"unknown token", request("/ws?token=nobody"), 401},
		{"cut token", request("/ws?token=Admin@12"), 401},
		{"padded token", request("/ws?token=Admin@123%20"), 401},
		{"token padded in front", request("/ws?token=%20Admin@123"), 401},
		{"token in other case", request("/ws?token=admin@123"), 401},
		{"Token in other case", request("/ws?Token=Admin@123"), 401},
		{"broken escape", request("/ws?token=%zz"), 401},
		{"cut escape", request("/ws?token=Admin@123%4"), 401},
		{"bad token in the query with a good bearer", request("/ws?token=x", "Authorization: Bearer Admin@123"), 401},
		{"bearer", request("/ws", "Authorization: Bearer Admin@123"), 101},
		{"bearer in other case", request("/ws", "authorization: bearer Admin@123"), 101},
		{"bad bearer", request("/ws", "Authorization: Bearer x"), 401},
		{"subprotocol token", request("/ws", "Sec-WebSocket-Protocol: bearer, base64url.QWRtaW5AMTIz"), 101},
		{"bad subprotocol token", request("/ws", "Sec-WebSocket-Protocol: bearer, base64url.QWRtaW5AMTI"), 401},

		{"allowed origin", request(good, "Origin: http://localhost:5173"), 101},
		{"allowed origin, host in other case", request(good, "Origin: http://LOCALHOST:5173"), 101},
		{"allowed pattern", request(good, "Origin: https://a.example.org"), 101},
		{"own origin", request(good, "Origin: http://gateway.example"), 101},
		{"other origin", request(good, "Origin: http://evil.example"), 403},
		{"other port", request(good, "Origin: http://localhost:5174"), 403},
		{"https of the own host", request(good, "Origin: https://gateway.example"), 403},
		{"null origin", request(good, "Origin: null"), 403},
		{"origin with a tail", request(good, "Origin: http://localhost:5173.evil.example"), 403},
		{"pattern across a slash", request(good, "Origin: https://evil.org/.example.org"), 403},
		{"pattern as a prefix", request(good, "Origin: https://a.example.org.evil"), 403},
		{"bad token and bad origin", request("/ws?token=x", "Origin: http://evil.example"), 401},

		{"version 8", request(good, "-Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), 426},
		{"versions 13, 8", request(good, "-Sec-WebSocket-Version", "Sec-WebSocket-Version: 13, 8"), 426},
		{"no version", request(good, "-Sec-WebSocket-Version"), 426},
		{"no key", request(good, "-Sec-WebSocket-Key"), 400},
		{"empty key", request(good, "-Sec-WebSocket-Key", "Sec-WebSocket-Key:"), 400},
		{"short key", request(good, "-Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZQ=="), 400},
		{"24 characters that are no base64", request(good, "-Sec-WebSocket-Key", "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="), 400},
		{"two keys", request(good, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 400},
		{"no upgrade", request(good, "-Upgrade"), 400},
		{"no connection", request(good, "-Connection"), 400},
		{"upgrade to h2c", request(good, "-Upgrade", "Upgrade: h2c"), 400},
		{"no upgrade, bad token", request("/ws?token=x", "-Upgrade", "-Connection"), 401},
		{"connection list", request(good, "-Connection", "Connection: keep-alive, Upgrade"), 101},
		{"two connection lines", request(good, "-Connection", "Connection: keep-alive", "Connection: Upgrade"), 101},
		{"other cases", strings.NewReplacer("Upgrade: websocket", "UPGRADE: WebSocket", "Sec-WebSocket-Key", "sec-websocket-KEY").Replace(request(good)), 101},

		{"POST", strings.Replace(request(good), "GET", "POST", 1), 405},
		{"HEAD", strings.Replace(request(good), "GET", "HEAD", 1), 405},
		{"OPTIONS", strings.Replace(request(good), "GET", "OPTIONS", 1), 405},
		{"PUT", strings.Replace(request(good), "GET", "PUT", 1), 405},
		{"method in lower case", strings.Replace(request(good), "GET", "get", 1), 405},
		{"unknown method", strings.Replace(request(good), "GET", "BREW", 1), 405},
		{"wrong method, bad token", strings.Replace(request("/ws"), "GET", "PUT", 1), 405},
		{"HTTP/1.0", strings.Replace(request(good), "HTTP/1.1", "HTTP/1.0", 1), 505},
		{"no Host", request(good, "-Host"), 400},
		{"two Host lines", request(good, "Host: other.example"), 400},
		{"space before the colon", request(good, "X-A : 1"), 400},
		{"NUL in a value", request(good, "X-A: a\x00b"), 400},
		{"folded line", request(good, "X-A: a\r\n b"), 400},
		{"a line over 8 KiB", request(good, "X-A: "+long), 431},
		{"a target over 8 KiB", request("/ws?token=" + long), 431},
		{"header without end", "GET /ws HTTP/1.1\r\nHost: x\r\nX-A: " + long, 431},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},
		{"bad request line", "GET /ws\r\n\r\n", 400},
		{"absolute form", request("http://gateway.example" + good), 101},
		{"other paths", request("/wsx?token=Admin@123"), 404},
		{"trailing slash", request("/ws/?token=Admin@123"), 404},
		{"path in other case", request("/WS?token=Admin@123"), 404},
		{"subprotocols offered", request(good, "Sec-WebSocket-Protocol: chat, superchat"), 101},
		{"compression offered", request(good, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"), 101},
		{"compression with an unknown parameter", request(good, "Sec-WebSocket-Extensions: permessage-deflate; x=1"), 101},
		{"unknown extension", request(good, "Sec-WebSocket-Extensions: x-unknown; a=1"), 101},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := dialRaw(t, r)
			conn.send(c.request)
			if strings.HasPrefix(c.request, "HEAD") {
				// The body of the refusal is not announced by the method.
				b, err := io.ReadAll(conn.br)
				if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 405 ") {
					t.Fatalf("got %.80q, %v", b, err)
				}
				return
			}
			res, body := conn.response()
			if res.StatusCode != c.status {
				t.Fatalf("got %s %s, want %d", res.Status, body, c.status)
			}
			if c.status == 101 {
				if res.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" ||
					res.Header.Get("Upgrade") != "websocket" || res.Header.Get("Connection") != "upgrade" ||
					res.Header.Get("Sec-WebSocket-Extensions") != "" {
					t.Errorf("headers of the 101: %v", res.Header)
				}
				if date, err := http.ParseTime(res.Header.Get("Date")); err != nil || time.Since(date).Abs() > testPatience {
					t.Errorf("Date %q, %v", res.Header.Get("Date"), err)
				}
				// A subprotocol is chosen only to tell browsers that their token was.
				want := ""
				if strings.Contains(c.request, "bearer, base64url") {
					want = "bearer"
				}
				if got := strings.Join(res.Header.Values("Sec-WebSocket-Protocol"), "|"); got != want {
					t.Errorf("subprotocol %q, want %q", got, want)
				}
				if res.Status != "101 Switching Protocols" {
					t.Errorf("status line %q", res.Status)
				}
				conn.heartbeat()
				return
			}
			var problem struct {
				Status int
				Title  string
			}
			if err := json.Unmarshal([]byte(body), &problem); err != nil || problem.Status != c.status || problem.Title == "" ||
				res.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("body %q of %q is no problem: %v", body, res.Header.Get("Content-Type"), err)
			}
			switch c.status {
			case 401:
				if res.Header.Get("WWW-Authenticate") == "" || strings.Contains(body, "dmin@123") {
					t.Errorf("401 with %v %s", res.Header, body)
				}
			case 405:
				if res.Header.Get("Allow") != "GET" {
					t.Errorf("Allow %q", res.Header.Get("Allow"))
				}
			case 426:
				if res.Header.Get("Sec-WebSocket-Version") != "13" {
					t.Errorf("Sec-WebSocket-Version %q", res.Header.Get("Sec-WebSocket-Version"))
				}
			}
			if c.status != 404 { // that one came from the HTTP server, which keeps the connection
				conn.expectEOF()
			}
		})
	}
	t.Cleanup(func() {
		for _, token := range []string{"Admin@123", "Admin%40123", "nobody", "Admin@12", "QWRtaW5AMTIz"} {
			if strings.Contains(r.log.String(), token) {
				t.Errorf("token %q is in the log", token)
			}
		}
	})
}

// TestTokenAloneDecides: the user is who the token says, whatever else the
// request claims.
func TestTokenAloneDecides(t *testing.T) {
	r := start(t, nil)
	for _, c := range []struct {
		target, user string
		lines        []string
	}{
		{"/ws?token=Admin@123", "10001", nil},
		{"/ws?token=Admin%40123&userId=77", "10001", nil},
		{"/ws?userId=77&token=Admin@123&user=78", "10001", nil},
		{"/ws?token=Admin@123&token=u-ann", "10001", nil},
		{"/ws?token=u-ann&token=Admin@123", "ann", nil},
		{"/ws?%74oken=u-ann", "ann", nil},
		{"/ws?token=u-a%2Bb+c%20d", "a+b c d", nil},
		{"/ws?token=u-%E7%94%A8%E6%88%B7", "用户", nil},
		{"/ws?token=u-ann", "ann", []string{"Authorization: Bearer u-bob", "Sec-WebSocket-Protocol: bearer, u-cid"}},
		{"/ws", "bob", []string{"Authorization: Bearer u-bob", "Sec-WebSocket-Protocol: bearer, u-cid"}},
		{"/ws", "cid", []string{"Authorization: Basic dTpw", "Sec-WebSocket-Protocol: bearer, u-cid"}},
		{"/ws", "a b", []string{"Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: bearer, base64url.dS1hIGI"}},
	} {
		conn := dialRaw(t, r)
		conn.send(request(c.target, c.lines...))
		if res, body := conn.response(); res.StatusCode != 101 {
			t.Fatalf("%s %q: %s %s", c.target, c.lines, res.Status, body)
		}
		conn.heartbeat()
		if users := r.OnlineUsers(); len(users) != 1 || users[0] != c.user {
			t.Errorf("%s %q: online are %q, want %q", c.target, c.lines, users, c.user)
		}
		_ = conn.Close()
		waitFor(t, "the session to end", func() bool { return r.SessionCount() == 0 })
	}
}

// TestOrderOfChecks sends every set of faults: the answer is about the first of
// them in the order path, method, HTTP version, token, Upgrade, version, key,
// origin. On a kept-alive connection it is the same.
func TestOrderOfChecks(t *testing.T) {
	r := start(t, nil)
	faults := []struct {
		status   int
		from, to string
	}{
		{404, "/ws?", "/wsx?"},
		{405, "GET ", "POST "},
		{505, " HTTP/1.1", " HTTP/1.0"},
		{401, "u-ann", "nobody"},
		{400, "Upgrade: websocket", "Upgrade: h2c"},
		{426, "Version: 13", "Version: 8"},
		{400, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ=="},
		{403, "http://gateway.example", "http://evil.example"},
	}
	for _, kept := range []bool{false, true} {
		for set := range 1 << len(faults) {
			req, want := request("/ws?token=u-ann", "Origin: http://gateway.example"), 101
			for i := len(faults) - 1; i >= 0; i-- {
				if set>>i&1 != 0 {
					req, want = strings.Replace(req, faults[i].from, faults[i].to, 1), faults[i].status
				}
			}
			c := dialRaw(t, r)
			if kept {
				c.send("GET /healthz HTTP/1.1\r\nHost: gateway.example\r\n\r\n")
				c.response()
			}
			c.send(req)
			if res, body := c.response(); res.StatusCode != want {
				t.Errorf("kept alive %v: got %s %s, want %d of\n%s", kept, res.Status, body, want, req)
			}
			_ = c.Close()
		}
	}
}

// TestHeaderLimit: a header block of exactly the configured size is read, one of
// a byte more is refused, as the first request of a connection and as a later one,
// for the endpoint and for others.
func TestHeaderLimit(t *testing.T) {
	const limit = 2000
	r := start(t, func(cfg *config.Config) { cfg.Server.MaxHeaderBytes = limit })
	padded := func(target string, size int) string {
		req := request(target, "X-Pad: ")
		return strings.Replace(req, "X-Pad: ", "X-Pad: "+strings.Repeat("x", size-len(req)), 1)
	}
	for _, c := range []struct {
		target string
		size   int
		want   int
	}{
		{"/ws?token=u-ann", limit - 1, 101},
		{"/ws?token=u-ann", limit, 101},
		{"/ws?token=u-ann", limit + 1, 431},
		{"/ws?token=u-ann", 4 * limit, 431},
		{"/ws?token=" + strings.Repeat("x", limit), 2 * limit, 431},
		{"/healthz", limit, 200},
		{"/healthz", limit + 1, 431},
	} {
		for _, kept := range []bool{false, true} {
			conn := dialRaw(t, r)
			if kept {
				conn.send("GET /healthz HTTP/1.1\r\nHost: gateway.example\r\n\r\n")
				conn.response()
			}
			conn.send(padded(c.target, c.size))
			res, body := conn.response()
			if res.StatusCode != c.want {
				t.Errorf("%.20s, %d bytes, kept alive %v: got %s %s, want %d", c.target, c.size, kept, res.Status, body, c.want)
			}
			switch res.StatusCode {
			case 101:
				conn.heartbeat()
			case 431:
				if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
					t.Errorf("content type %q", got)
				}
				conn.expectEOF()
			}
		}
	}
}

// TestHandshakeInPieces cuts a handshake with frames behind it at every byte,
// and sends it in single bytes.
func TestHandshakeInPieces(t *testing.T) {
	r := start(t, nil)
	beat := string(appendMasked(nil, finBit|1, []byte(heartbeatRequest)))
	all := request("/ws?token=u-pieces") + beat + beat
	check := func(t *testing.T, c *rawConn) {
		t.Helper()
		if res, body := c.response(); res.StatusCode != 101 {
			t.Fatalf("%s %s", res.Status, body)
		}
		c.expectText(heartbeatAck)
		c.expectText(heartbeatAck)
		c.heartbeat()
		_ = c.Close()
	}
	for cut := 0; cut <= len(all); cut++ {
		c := dialRaw(t, r)
		c.send(all[:cut])
		c.send(all[cut:])
		check(t, c)
	}
	c := dialRaw(t, r)
	for i := range len(all) {
		c.send(all[i : i+1])
	}
	check(t, c)
}

// TestAllowedOrigins: patterns as configured; the own origin and none are always
// right.
func TestAllowedOrigins(t *testing.T) {
	for _, c := range []struct {
		name    string
		allowed []string
		good    []string
		bad     []string
	}{
		{"none", nil, []string{"http://gateway.example", "http://GATEWAY.example", "http://gateway.example:80"},
			[]string{"http://localhost:5173", "https://gateway.example", "http://gateway.example:81", "http://gateway.example.evil", "null", "", "*", "file://"}},
		{"all", []string{"*"}, []string{"http://evil.example", "https://x:1", "http://gateway.example"}, nil},
		{"patterns", []string{"https://*.example.org", "http://localhost:*"}, []string{"https://a.example.org", "https://a.b.example.org", "http://localhost:1", "http://localhost:65535"},
			[]string{"https://example.org", "http://a.example.org", "https://a.example.org:8443", "https://a.example.org.evil", "https://evil/.example.org", "http://localhost.evil:1", "http://localhost:1.evil", "http://localhost:1@evil"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, func(cfg *config.Config) { cfg.WebSocket.AllowedOrigins = c.allowed })
			ask := func(want int, lines ...string) {
				t.Helper()
				conn := dialRaw(t, r)
				conn.send(request("/ws?token=u-ann", lines...))
				if res, body := conn.response(); res.StatusCode != want {
					t.Errorf("%q: got %s %s, want %d", lines, res.Status, body, want)
				} else if want == 101 {
					conn.heartbeat()
				}
			}
			ask(101)
			for _, o := range c.good {
				ask(101, "Origin: "+o)
			}
			for _, o := range c.bad {
				ask(403, "Origin: "+o)
			}
			if len(c.bad) > 0 {
				ask(403, "Origin: http://gateway.example", "Origin: http://evil.example")
				ask(403, "Origin: http://evil.example", "Origin: http://gateway.example")
			}
		})
	}
}

// TestCompressionAnswers: with compression off no offer is accepted, and RSV1
// stays a fault; with it on an offer is accepted, and who made none is not asked.
func TestCompressionAnswers(t *testing.T) {
	const agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for _, on := range []bool{false, true} {
		r := start(t, func(cfg *config.Config) { cfg.WebSocket.Compression = on })
		for offer, want := range map[string]string{
			"":                   "",
			"permessage-deflate": agreed,
			"permessage-deflate; client_max_window_bits":    agreed,
			"permessage-deflate; server_max_window_bits=10": "",
			"permessage-deflate; x=1":                       "",
			"x-unknown; a=1":                                "",
			`permessage-deflate; x="`:                       "",
		} {
			if !on {
				want = ""
			}
			c := dialRaw(t, r)
			var lines []string
			if offer != "" {
				lines = append(lines, "Sec-WebSocket-Extensions: "+offer)
			}
			if got := strings.Join(c.upgrade("ann", lines...).Header.Values("Sec-WebSocket-Extensions"), "|"); got != want {
				t.Errorf("on %v, offer %q: got %q, want %q", on, offer, got, want)
			}
			c.heartbeat()
			// A heartbeat as one block that is not compressed (RFC 1951 section 3.2.4),
			// its end left to the receiver (RFC 7692 section 7.2.1).
			n := len(heartbeatRequest)
			block := append([]byte{0, byte(n), 0, ^byte(n), 0xff}, heartbeatRequest...)
			c.writeFrame(true, 4, ws.OpText, append(block, 0))
			if want == "" {
				c.expectClose(1002, "*")
			} else {
				c.expectText(heartbeatAck)
			}
		}
	}
}

// TestHandshakeDeadline: a client that takes its time is cut, whether it sends
// nothing or a byte now and then.
func TestHandshakeDeadline(t *testing.T) {
	r := start(t, func(cfg *config.Config) { cfg.Server.HandshakeTimeout = 300 * time.Millisecond })
	silent, slow := dialRaw(t, r), dialRaw(t, r)
	req := request("/ws?token=u-slow", "X-Pad: "+strings.Repeat("x", 4000))
	cut := make(chan error, 1)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			if _, err := io.WriteString(slow, req[i:i+1]); err != nil {
				cut <- err
				return
			}
			if i == len(req)-2 {
				cut <- errors.New("the whole request was sent")
				return
			}
			<-tick.C
		}
	}()
	silent.expectEOF()
	if err := <-cut; err == nil || strings.Contains(err.Error(), "whole") {
		t.Fatalf("slow client: %v", err)
	}
	waitFor(t, "both to be gone", func() bool { return r.reactor.Conns() == 0 })
}

func TestSubprotocols(t *testing.T) {
	r := start(t, func(cfg *config.Config) { cfg.WebSocket.Subprotocols = []string{"v2.push", "v1.push"} })
	for _, c := range []struct{ offer, token, want string }{
		{"v1.push", "?token=u-p", "v1.push"},
		{"x, v1.push, v2.push", "?token=u-p", "v1.push"},
		{"x", "?token=u-p", ""},
		{"bearer, u-p", "", "bearer"},
		{"v2.push, bearer, u-p", "", "v2.push"},
	} {
		conn := dialRaw(t, r)
		conn.send(request("/ws"+c.token, "Sec-WebSocket-Protocol: "+c.offer))
		res, body := conn.response()
		if res.StatusCode != 101 || res.Header.Get("Sec-WebSocket-Protocol") != c.want {
			t.Errorf("offer %q: %s %q %s, want %q", c.offer, res.Status, res.Header.Get("Sec-WebSocket-Protocol"), body, c.want)
		}
	}
}

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

// TestTokensStaySecret sends tokens, good and bad, in every place that has one, in
// requests that are good, bad and broken, as the first request and after another
// one on the same connection. No answer and no line of the log repeats one.
func TestTokensStaySecret(t *testing.T) {
	r := start(t, nil)
	var secrets []string
	secret := func(prefix string) string {
		s := fmt.Sprintf("%ssecret-%d", prefix, len(secrets))
		secrets = append(secrets, s)
		return s
	}
	encoded := func(token string) string {
		s := base64.RawURLEncoding.EncodeToString([]byte(token))
		secrets = append(secrets, s)
		return s
	}
	places := map[string]func(token string) string{
		"query":         func(s string) string { return request("/ws?token=" + s) },
		"escaped query": func(s string) string { return request("/ws?token=" + strings.ReplaceAll(s, "-", "%2D")) },
		"absolute form": func(s string) string { return request("http://gateway.example/ws?token=" + s) },
		"bearer":        func(s string) string { return request("/ws", "Authorization: Bearer "+s) },
		"subprotocol":   func(s string) string { return request("/ws", "Sec-WebSocket-Protocol: bearer, "+s) },
		"encoded subprotocol": func(s string) string {
			return request("/ws", "Sec-WebSocket-Protocol: bearer, base64url."+encoded(s))
		},
		"other path":             func(s string) string { return request("/websocket/nothing?token="+s, "Authorization: Bearer "+s) },
		"page":                   func(s string) string { return request("/?token=" + s) },
		"bad header":             func(s string) string { return request("/ws?token="+s, "Bad Header : x") },
		"no colon":               func(s string) string { return request("/ws", "Authorization: Bearer "+s, "broken") },
		"other, no colon":        func(s string) string { return request("/x?token="+s, "Authorization: Bearer "+s, "broken") },
		"other, too long":        func(s string) string { return request("/x?token="+s, "X-Pad: "+strings.Repeat("x", 9000)) },
		"too long":               func(s string) string { return request("/ws?token="+s, "X-Pad: "+strings.Repeat("x", 9000)) },
		"bad request line":       func(s string) string { return "GET /ws?token=" + s + "\r\n\r\n" },
		"no scheme colon":        func(s string) string { return request("/ws", "Authorization Bearer "+s) },
		"other, no scheme colon": func(s string) string { return request("/x", "Authorization Bearer "+s) },
		"other, bad value":       func(s string) string { return request("/x", "Authorization: Bearer "+s+"\x00") },
		"other, bad target":      func(s string) string { return request("/x?token=" + s + "\x7f") },
		"other, bad method":      func(s string) string { return "GE(T" + request("/x?token=" + s)[3:] },
		"other, bad version":     func(s string) string { return "GET /x HTTP/1.1?token=" + s + "\r\nHost: x\r\n\r\n" },
		"bad length": func(s string) string {
			return request("/websocket/broadcast?token="+s, "Authorization: Bearer "+s, "Content-Length: x")
		},
		"bad chunk": func(s string) string {
			return strings.Replace(request("/websocket/broadcast?token="+s, "Transfer-Encoding: chunked"), "GET", "POST", 1) + s + "\r\n"
		},
		"cut short":        func(s string) string { return "GET /ws?token=" + s + " HTTP/1.1\r\nHost: x\r\n" },
		"other, cut short": func(s string) string { return "GET /x?token=" + s + " HTTP/1.1\r\nHost: x\r\n" },
		"wrong method":     func(s string) string { return strings.Replace(request("/ws?token="+s), "GET", "POST", 1) },
		"foreign origin":   func(s string) string { return request("/ws?token="+s, "Origin: http://evil.example") },
		"other version": func(s string) string {
			return strings.Replace(request("/ws?token="+s), "Version: 13", "Version: 8", 1)
		},
	}
	var answers strings.Builder
	for name, place := range places {
		for _, prefix := range []string{"", "u-"} { // bad and good
			for _, kept := range []bool{false, true} {
				c := dialRaw(t, r)
				if kept {
					c.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
					if res, _ := c.response(); res.StatusCode != 200 {
						t.Fatalf("healthz: %s", res.Status)
					}
				}
				c.send(place(secret(prefix)))
				// Half-closing ends what waits for more, plain HTTP and sessions.
				_ = c.Conn.(*net.TCPConn).CloseWrite()
				b, err := io.ReadAll(c.br)
				if err != nil && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("%s: %v", name, err)
				}
				answers.Write(b)
				_ = c.Close()
			}
		}
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	log := r.log.String()
	for _, line := range []string{"handshake refused", "level=DEBUG msg=\"http: "} {
		if !strings.Contains(log, line) {
			t.Errorf("the log has no %q, so that it proves nothing", line)
		}
	}
	if n := strings.Count(answers.String(), "HTTP/1.1 101 "); n != 12 {
		t.Errorf("%d handshakes were good, want 12", n)
	}
	for _, s := range secrets {
		s = strings.TrimPrefix(s, "u-")
		if i := strings.Index(log, s); i >= 0 {
			t.Errorf("a token is in the log: %q", log[max(0, i-200):min(len(log), i+100)])
		}
		if strings.Contains(answers.String(), s) {
			t.Errorf("token %s is in an answer", s)
		}
	}
}
