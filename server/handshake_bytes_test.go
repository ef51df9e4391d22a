package server

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"carillon/server/config"
)

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
	check := func(c *rawConn) {
		t.Helper()
		if res, body := c.response(); res.StatusCode != 101 {
			t.Fatalf("%s %s", res.Status, body)
		}
		c.expectText(heartbeatAck)
		c.expectText(heartbeatAck)
		c.heartbeat()
		_ = c.Close()
	}
	inPieces(t, r, all, check)
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
