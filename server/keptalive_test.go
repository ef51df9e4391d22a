package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// TestUpgradeOnKeptAliveConnection upgrades a connection that spoke plain HTTP
// before, as reverse proxies do, also with everything in one segment.
func TestUpgradeOnKeptAliveConnection(t *testing.T) {
	r := start(t, nil)
	plain := "GET /healthz HTTP/1.1\r\nHost: gateway.example\r\n\r\n"
	beat := string(appendMasked(nil, finBit|1, []byte(heartbeatRequest)))
	for _, pieces := range [][]string{
		{plain, request("/ws?token=u-kept"), beat + beat},
		{plain, request("/ws?token=u-kept") + beat + beat},
		{plain + request("/ws?token=u-kept") + beat + beat},
		{plain + plain + request("/ws?token=u-kept") + beat + beat[:9], beat[9:]},
	} {
		c := dialRaw(t, r)
		for _, p := range pieces {
			c.send(p)
			if p == plain {
				if res, _ := c.response(); res.StatusCode != 200 {
					t.Fatalf("healthz: %s", res.Status)
				}
			}
		}
		for {
			res, body := c.response()
			if res.StatusCode == 101 {
				break
			}
			if res.StatusCode != 200 {
				t.Fatalf("%s %s", res.Status, body)
			}
		}
		c.expectText(heartbeatAck)
		c.expectText(heartbeatAck)
		c.heartbeat()
		if _, err := r.PushUser("kept", []byte("hello")); err != nil {
			t.Fatal(err)
		}
		c.expectText("hello")
		_ = c.Close()
		waitFor(t, "the session to end", func() bool { return r.SessionCount() == 0 })
	}
	// A refusal comes the same way.
	c := dialRaw(t, r)
	c.send(plain)
	c.response()
	c.send(request("/ws?token=x"))
	if res, _ := c.response(); res.StatusCode != 401 {
		t.Fatalf("got %s, want 401", res.Status)
	}
	c.expectEOF()
	waitFor(t, "all places to be free", func() bool { return r.reactor.Conns() == 0 })
}

// TestKeptAliveInPieces cuts a plain request, an upgrade and frames on one
// connection at every byte, and sends them in single bytes: whatever of it the
// HTTP server had read ahead, nothing is lost or doubled.
func TestKeptAliveInPieces(t *testing.T) {
	r := start(t, nil)
	beat := string(appendMasked(nil, headText, []byte(heartbeatRequest)))
	ping := string(appendMasked(nil, finBit|byte(ws.OpPing), []byte("p")))
	all := "GET /healthz HTTP/1.1\r\nHost: gateway.example\r\n\r\n" + request("/ws?token=u-kept") + beat + ping + beat
	check := func(c *rawConn) {
		t.Helper()
		for _, want := range []int{200, 101} {
			if res, body := c.response(); res.StatusCode != want {
				t.Fatalf("%s %s, want %d", res.Status, body, want)
			}
		}
		c.expectText(heartbeatAck)
		c.expectFrame(finBit|byte(ws.OpPong), []byte("p"))
		c.expectText(heartbeatAck)
		c.heartbeat()
		_ = c.Close()
	}
	inPieces(t, r, all, check)
	waitFor(t, "all places to be free", func() bool { return r.reactor.Conns() == 0 && r.SessionCount() == 0 })
}

// TestKeptAliveForms upgrades kept-alive connections by every form of request that
// a fresh one takes.
func TestKeptAliveForms(t *testing.T) {
	r := start(t, nil)
	good := "/ws?token=u-ann"
	for name, req := range map[string]string{
		"two connection lines": request(good, "-Connection", "Connection: keep-alive", "Connection: Upgrade"),
		"absolute form":        request("http://gateway.example" + good),
		"bearer":               request("/ws", "Authorization: Bearer u-ann"),
		"subprotocol":          request("/ws", "Sec-WebSocket-Protocol: bearer, u-ann"),
		"names in lower case":  "GET " + good + " HTTP/1.1\r\n" + strings.ToLower(strings.Join(strings.Split(request(""), "\r\n")[1:4], "\r\n")) + "\r\nsec-websocket-version:13\r\nSEC-WEBSOCKET-KEY:  dGhlIHNhbXBsZSBub25jZQ==  \r\n\r\n",
		"empty body":           request(good, "Content-Length: 0"),
		"own origin":           request(good, "Origin: http://gateway.example"),
	} {
		c := dialRaw(t, r)
		body := `{"message":"hello"}`
		c.send(fmt.Sprintf("POST /websocket/send/user/nobody HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body) + req)
		if res, body := c.response(); res.StatusCode != 200 {
			t.Fatalf("push: %s %s", res.Status, body)
		}
		res, body := c.response()
		if res.StatusCode != 101 || res.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
			t.Errorf("%s: %s %s %v", name, res.Status, body, res.Header)
			continue
		}
		c.heartbeat()
	}
}
