package server

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
)

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
