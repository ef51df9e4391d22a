package server

import (
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"carillon/server/config"
)

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
