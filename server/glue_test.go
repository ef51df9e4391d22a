package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"carillon/server/config"
)

// The tests of this file follow settings from the configuration to what they do,
// through the packages that have tests of their own.

// TestJWTSessions connects with signed tokens: who it is comes from the claim that
// the configuration names, and exp ends the session.
func TestJWTSessions(t *testing.T) {
	secret := strings.Repeat("0123456789abcdef", 2)
	r := start(t, func(cfg *config.Config) {
		cfg.Auth.Mode = config.AuthJWT
		cfg.Auth.JWT.Secret = secret
		cfg.Auth.JWT.Issuer = "issuer"
		cfg.Auth.JWT.Audience = []string{"push"}
		cfg.Auth.JWT.UserClaim = "uid"
	})
	sign := func(method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
		t.Helper()
		token, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	claims := func(change ...any) jwt.MapClaims {
		m := jwt.MapClaims{"uid": 42, "sub": "other", "iss": "issuer", "aud": "push", "exp": time.Now().Add(time.Hour).Unix()}
		for i := 0; i+1 < len(change); i += 2 {
			m[change[i].(string)] = change[i+1]
		}
		return m
	}
	good := sign(jwt.SigningMethodHS256, []byte(secret), claims())
	early := time.Now().Add(2 * time.Second).Unix() // by a clock that is ahead of ours
	for _, lines := range [][]string{
		{"/ws?token=" + good},
		{"/ws", "Authorization: Bearer " + good},
		{"/ws", "Sec-WebSocket-Protocol: bearer, " + good},
		{"/ws?token=" + sign(jwt.SigningMethodHS256, []byte(secret), claims("iat", early, "nbf", early))},
	} {
		c := dialRaw(t, r)
		c.send(request(lines[0], lines[1:]...))
		if res, body := c.response(); res.StatusCode != 101 {
			t.Fatalf("%v: %s %s", lines, res.Status, body)
		}
		c.heartbeat()
	}
	if users := r.OnlineUsers(); len(users) != 1 || users[0] != "42" {
		t.Errorf("online are %v, want 42", users)
	}
	for name, token := range map[string]string{
		"other issuer":   sign(jwt.SigningMethodHS256, []byte(secret), claims("iss", "x")),
		"other audience": sign(jwt.SigningMethodHS256, []byte(secret), claims("aud", "x")),
		"expired":        sign(jwt.SigningMethodHS256, []byte(secret), claims("exp", time.Now().Add(-time.Minute).Unix())),
		"other key":      sign(jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), claims()),
		"unsigned":       sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims()),
		"demo token":     "Admin@123",
	} {
		c := dialRaw(t, r)
		c.send(request("/ws?token=" + token))
		if res, _ := c.response(); res.StatusCode != 401 {
			t.Errorf("%s: %s, want 401", name, res.Status)
		}
	}
	short := dialRaw(t, r)
	short.send(request("/ws?token=" + sign(jwt.SigningMethodHS256, []byte(secret), claims("exp", time.Now().Add(2*time.Second).Unix()))))
	if res, body := short.response(); res.StatusCode != 101 {
		t.Fatalf("%s %s", res.Status, body)
	}
	short.heartbeat()
	short.expectClose(4401, "token expired")
	if strings.Contains(r.log.String(), good) {
		t.Error("a token is in the log")
	}
}

// TestStaticTokens maps tokens of the configuration to users.
func TestStaticTokens(t *testing.T) {
	r := start(t, func(cfg *config.Config) {
		cfg.Auth.Mode = config.AuthStatic
		cfg.Auth.Tokens = map[string]string{"one/two+three": "ann"}
	})
	c := dialRaw(t, r)
	c.send(request("/ws?token=one%2Ftwo%2Bthree"))
	if res, body := c.response(); res.StatusCode != 101 {
		t.Fatalf("%s %s", res.Status, body)
	}
	c.heartbeat()
	if n, err := r.PushUser("ann", []byte("hello")); n != 1 || err != nil {
		t.Fatalf("push reached %d, %v", n, err)
	}
	c.expectText("hello")
	c = dialRaw(t, r)
	c.send(request("/ws?token=Admin@123"))
	if res, _ := c.response(); res.StatusCode != 401 {
		t.Errorf("demo token: %s, want 401", res.Status)
	}
}

// TestAdminAccess: tokens, loopback and open access as configured.
func TestAdminAccess(t *testing.T) {
	const push = "/websocket/broadcast"
	body := `{"message":"x"}`
	guarded := start(t, func(cfg *config.Config) { cfg.Admin.Tokens = []string{"admin-token"} })
	if status, _ := guarded.post(t, push, body); status != 401 {
		t.Errorf("no token: %d, want 401", status)
	}
	if status, _ := guarded.post(t, push, body, "Authorization", "Bearer wrong"); status != 401 {
		t.Errorf("wrong token: %d, want 401", status)
	}
	if status, _ := guarded.post(t, push, body, "Authorization", "Bearer admin-token"); status != 200 {
		t.Errorf("right token: %d, want 200", status)
	}
	local := start(t, nil)
	for header, value := range map[string]string{"X-Forwarded-For": "192.0.2.1", "Origin": "http://evil.example"} {
		if status, _ := local.post(t, push, body, header, value); status != http.StatusForbidden {
			t.Errorf("local with %s: %d, want 403", header, status)
		}
	}
	open := start(t, func(cfg *config.Config) { cfg.Admin.Open = true })
	if status, _ := open.post(t, push, body, "Origin", "http://evil.example", "X-Forwarded-For", "192.0.2.1"); status != 200 {
		t.Errorf("open: %d, want 200", status)
	}
	if !strings.Contains(open.log.String(), "admin.open is true") {
		t.Error("open access was not warned of")
	}
}

// TestMaxConnectionsWarning has server.max-connections above what the limit of open
// files allows, and below.
func TestMaxConnectionsWarning(t *testing.T) {
	for asked, warned := range map[int]bool{10_000_000: true, 100: false, 0: false} {
		r := start(t, func(cfg *config.Config) { cfg.Server.MaxConnections = asked })
		if got := strings.Contains(r.log.String(), "server.max-connections is more"); got != warned {
			t.Errorf("%d: warned is %v, want %v", asked, got, warned)
		}
	}
}

// TestDemoWarning: the embedded default says what it is, once.
func TestDemoWarning(t *testing.T) {
	r := startWith(t, nil, func(o *Options) { o.Verifier = nil })
	if n := strings.Count(r.log.String(), "auth.mode is demo"); n != 1 {
		t.Errorf("warned %d times of the demo mode, want once", n)
	}
	if strings.Contains(r.log.String(), demoToken) {
		t.Error("the demo token is in the log")
	}
	c := dialRaw(t, r)
	c.send(request("/ws?token=" + demoToken))
	if res, body := c.response(); res.StatusCode != 101 {
		t.Fatalf("%s %s", res.Status, body)
	}
	c.heartbeat()
	if users := r.OnlineUsers(); len(users) != 1 || users[0] != "10001" {
		t.Errorf("online are %v, want 10001", users)
	}
}
