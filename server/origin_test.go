package server

import (
	"testing"

	"carillon/server/config"
)

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
