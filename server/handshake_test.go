package server

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

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
