package server

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"carillon/server/auth"
	"carillon/server/config"
)

// TestClientMessages is section 2 of the contract: what a text message is
// answered with. A heartbeat behind each proves what came before it, and that
// the session lives.
func TestClientMessages(t *testing.T) {
	r := start(t, nil)
	cases := []struct {
		name, message string
		acks          int
	}{
		{"plain", heartbeatRequest, 1},
		{"white space", " {\n\t\"type\" :\r \"HEARTBEAT\" } ", 1},
		{"other fields", `{"code":"X","type":"HEARTBEAT","data":{"a":[1,{"type":"BIZ"}]},"zz":null}`, 1},
		{"type last", `{"data":1,"type":"HEARTBEAT"}`, 1},
		{"escape in the value", `{"type":"HEART\u0042EAT"}`, 1},
		{"escape in the name", `{"\u0074ype":"HEARTBEAT"}`, 1},
		{"padding", `{"type":"HEARTBEAT","pad":"` + strings.Repeat("x", 8000) + `"}`, 1},
		{"two types, the last counts", `{"type":"BIZ","type":"HEARTBEAT"}`, 1},
		{"two types, the last counts, other way", `{"type":"HEARTBEAT","type":"NONE"}`, 0},
		{"garbage behind", heartbeatRequest + "garbage", 0},
		{"broken", `{bad`, 0},
		{"array", `[]`, 0},
		{"heartbeat in an array", `[` + heartbeatRequest + `]`, 0},
		{"null", `null`, 0},
		{"number", `5`, 0},
		{"string", `"str"`, 0},
		{"empty", ``, 0},
		{"empty object", `{}`, 0},
		{"type a number", `{"type":1}`, 0},
		{"type in other case", `{"Type":"HEARTBEAT"}`, 0},
		{"value in lower case", `{"type":"heartbeat"}`, 0},
		{"value with a blank", `{"type":"HEARTBEAT "}`, 0},
		{"an answer", heartbeatAck, 0},
		{"unknown type", `{"type":"WHAT"}`, 0},
		{"code without type", `{"code":"CHAT_SEND"}`, 0},
		{"biz", `{"type":"BIZ","code":"NOTICE_ACK","data":{"id":7}}`, 0},
		{"biz without data", `{"type":"BIZ","code":"ORDER_CREATE"}`, 0},
		{"chat without a target", `{"type":"BIZ","code":"CHAT_SEND","data":"x"}`, 0},
		{"unknown code", `{"type":"BIZ","code":"NONE"}`, 0},
		{"no code", `{"type":"BIZ"}`, 0},
		{"code a number", `{"type":"BIZ","code":1}`, 0},
		// What the reference takes for JSON, and RFC 8259 does not.
		{"single quotes", `{'type':'HEARTBEAT'}`, 0},
		{"trailing comma", `{"type":"HEARTBEAT",}`, 0},
		{"byte order mark", "\ufeff" + heartbeatRequest, 0},
		{"trailing NUL", heartbeatRequest + "\x00", 0},
		{"unfinished", heartbeatRequest[:len(heartbeatRequest)-1], 0},
		{"twice in one message", heartbeatRequest + heartbeatRequest, 0},
		{"code without a handler", `{"type":"BIZ","code":"ORDER_CANCEL","data":{}}`, 0},
		{"type null", `{"type":null}`, 0},
		{"type an object", `{"type":{"type":"HEARTBEAT"}}`, 0},
		{"code null", `{"type":"BIZ","code":null}`, 0},
		{"code empty", `{"type":"BIZ","code":""}`, 0},
		{"code in lower case", `{"type":"BIZ","code":"chat_send","data":{"toUserId":"m0"}}`, 0},
		{"deeply nested", `{"type":"HEARTBEAT","data":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, 0},
	}
	for i, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := dialRaw(t, r)
			c.upgrade(fmt.Sprint("m", i))
			c.text(tc.message)
			for range tc.acks {
				c.expectText(heartbeatAck)
			}
			c.heartbeat()
		})
	}
}

// TestHeartbeatsInAnyShape sends heartbeats in fragments, in single bytes, with
// pings in between and many in one write.
func TestHeartbeatsInAnyShape(t *testing.T) {
	r := start(t, nil)
	c := dialRaw(t, r)
	c.upgrade("shapes")
	beat := []byte(heartbeatRequest)

	for cut := 0; cut <= len(beat); cut++ {
		c.writeFrame(false, 0, ws.OpText, beat[:cut])
		c.writeFrame(true, 0, ws.OpPing, []byte("between"))
		c.writeFrame(false, 0, ws.OpContinuation, nil)
		c.writeFrame(true, 0, ws.OpContinuation, beat[cut:])
		c.expectFrame(finBit|byte(ws.OpPong), []byte("between"))
		c.expectText(heartbeatAck)
	}
	frame := appendMasked(nil, finBit|1, beat)
	for i := range frame {
		c.send(string(frame[i : i+1]))
	}
	c.expectText(heartbeatAck)

	var many []byte
	for i := range 500 {
		many = append(many, frame...)
		if i%100 == 50 {
			many = appendMasked(many, finBit|byte(ws.OpPing), fmt.Appendf(nil, "%d", i))
		}
	}
	c.send(string(many))
	for i := range 500 {
		c.expectText(heartbeatAck)
		if i%100 == 50 {
			c.expectFrame(finBit|byte(ws.OpPong), fmt.Appendf(nil, "%d", i))
		}
	}
	for n := range 126 {
		c.writeFrame(true, 0, ws.OpPing, []byte(strings.Repeat("p", n)))
		c.expectFrame(finBit|byte(ws.OpPong), []byte(strings.Repeat("p", n)))
	}
	c.writeFrame(true, 0, ws.OpPong, []byte("unsolicited"))
	c.heartbeat()
}

// TestAckIsByteExact: clients compare it as a string, and captures of the
// reference show these 26 bytes.
func TestAckIsByteExact(t *testing.T) {
	for _, compression := range []bool{false, true} {
		r := start(t, func(cfg *config.Config) { cfg.WebSocket.Compression = compression })
		c := dialRaw(t, r)
		c.upgrade("ann", "Sec-WebSocket-Extensions: permessage-deflate")
		for _, request := range []string{heartbeatRequest, `{"type":"HEART\u0042EAT","code":"x"}`} {
			c.text(request)
			got := make([]byte, 26)
			if _, err := io.ReadFull(c.br, got); err != nil || string(got) != "\x81\x18"+heartbeatAck {
				t.Errorf("compression %v, %s: got %q, %v", compression, request, got, err)
			}
		}
		c.heartbeat() // nothing was left behind the 26 bytes
	}
}

// TestNoisyClients: messages that mean nothing are counted one by one, and
// logged at a bounded rate and length, whatever the client puts in them.
func TestNoisyClients(t *testing.T) {
	const times = 2000
	r := start(t, nil)
	c := dialRaw(t, r)
	c.upgrade("noisy")
	long := strings.Repeat("L", 10_000)
	kinds := []struct{ message, line string }{
		{`{"private":"secret-` + long + `"`, "message is no envelope"},
		{`{"type":"T` + long + `"}`, "message type is unknown"},
		{`{"type":"BIZ","code":"C` + long + `"}`, "business code is unknown"},
		{`{"type":"BIZ","code":"x\nlevel=ERROR msg=forged"}`, "business code is unknown"},
	}
	began := time.Now()
	for range times / len(kinds) {
		for _, k := range kinds {
			c.text(k.message)
		}
	}
	c.heartbeat()
	if bad, unknown := r.stats.badMessages.Load(), r.stats.unknownMessages.Load(); bad != times/4 || unknown != times*3/4 {
		t.Errorf("%d bad and %d unknown messages counted, want %d and %d", bad, unknown, times/4, times*3/4)
	}
	log := r.log.String()
	most := int(time.Since(began)/logEvery) + 1
	for _, k := range kinds {
		if n := strings.Count(log, k.line); n < 1 || n > most {
			t.Errorf("%q was logged %d times, want 1 to %d", k.line, n, most)
		}
	}
	for line := range strings.Lines(log) {
		if len(line) > 1000 || strings.HasPrefix(line, "level=ERROR") || strings.Contains(line, "secret") {
			t.Errorf("log line of %d bytes: %.200s", len(line), line)
		}
	}
}

// TestFaultsOfClients is the part of section 2 that ends the connection.
func TestFaultsOfClients(t *testing.T) {
	r := start(t, func(cfg *config.Config) { cfg.WebSocket.MaxMessageBytes = 1000 })
	big := make([]byte, 1001)
	cases := []struct {
		name   string
		send   func(c *rawConn)
		code   int
		reason string
	}{
		{"binary", func(c *rawConn) { c.writeFrame(true, 0, ws.OpBinary, []byte{1}) }, 1003, "binary messages not supported"},
		{"binary in fragments", func(c *rawConn) { c.writeFrame(false, 0, ws.OpBinary, []byte{1}) }, 1003, "*"},
		{"over the limit", func(c *rawConn) { c.writeFrame(true, 0, ws.OpText, big) }, 1009, "*"},
		{"over the limit by its header alone", func(c *rawConn) { c.send("\x81\xff\x00\x00\x00\x00\x7f\xff\xff\xff") }, 1009, "*"},
		{"over the limit in sum", func(c *rawConn) {
			c.writeFrame(false, 0, ws.OpText, big[:999])
			c.writeFrame(true, 0, ws.OpContinuation, big[:2])
		}, 1009, "*"},
		{"unmasked", func(c *rawConn) { c.send("\x81\x02hi") }, 1002, "*"},
		{"reserved bit 1", func(c *rawConn) { c.writeFrame(true, 4, ws.OpText, nil) }, 1002, "*"},
		{"reserved bit 2", func(c *rawConn) { c.writeFrame(true, 2, ws.OpText, nil) }, 1002, "*"},
		{"reserved bit 3", func(c *rawConn) { c.writeFrame(true, 1, ws.OpPing, nil) }, 1002, "*"},
		{"unknown opcode", func(c *rawConn) { c.writeFrame(true, 0, 3, nil) }, 1002, "*"},
		{"unknown control opcode", func(c *rawConn) { c.writeFrame(true, 0, 0xb, nil) }, 1002, "*"},
		{"continuation of nothing", func(c *rawConn) { c.writeFrame(true, 0, ws.OpContinuation, nil) }, 1002, "*"},
		{"message inside a message", func(c *rawConn) {
			c.writeFrame(false, 0, ws.OpText, nil)
			c.writeFrame(true, 0, ws.OpText, nil)
		}, 1002, "*"},
		{"long ping", func(c *rawConn) { c.writeFrame(true, 0, ws.OpPing, big[:126]) }, 1002, "*"},
		{"ping in fragments", func(c *rawConn) { c.writeFrame(false, 0, ws.OpPing, nil) }, 1002, "*"},
		{"length with its first bit set", func(c *rawConn) { c.send("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00") }, 1002, "*"},
		{"cut character", func(c *rawConn) { c.writeFrame(true, 0, ws.OpText, []byte("\xe4\xbd")) }, 1007, "*"},
		{"overlong", func(c *rawConn) { c.text("\xc0\xaf") }, 1007, "*"},
		{"surrogate", func(c *rawConn) { c.text("\xed\xa0\x80") }, 1007, "*"},
		{"beyond U+10FFFF", func(c *rawConn) { c.text("\xf4\x90\x80\x80") }, 1007, "*"},
		{"bad in the second fragment", func(c *rawConn) {
			c.writeFrame(false, 0, ws.OpText, []byte("\xe4"))
			c.writeFrame(false, 0, ws.OpContinuation, []byte("x"))
		}, 1007, "*"},
		{"close with one byte", func(c *rawConn) { c.writeFrame(true, 0, ws.OpClose, []byte{3}) }, 1002, "*"},
		{"close reason that is no text", func(c *rawConn) { c.writeFrame(true, 0, ws.OpClose, closePayload(1000, "\xff")) }, 1007, "*"},
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 2999, 5000} {
		cases = append(cases, struct {
			name   string
			send   func(c *rawConn)
			code   int
			reason string
		}{fmt.Sprint("close ", code), func(c *rawConn) { c.writeFrame(true, 0, ws.OpClose, closePayload(code, "")) }, 1002, "*"})
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := dialRaw(t, r)
			c.upgrade("fault")
			tc.send(c)
			c.expectClose(tc.code, tc.reason)
		})
	}
	t.Cleanup(func() { waitFor(t, "all to be gone", func() bool { return r.SessionCount() == 0 }) })
}

// TestTextAtItsLimits: what lies exactly at a bound is taken.
func TestTextAtItsLimits(t *testing.T) {
	r := start(t, nil)
	c := dialRaw(t, r)
	c.upgrade("limits")
	for _, n := range []int{125, 126, 127, 65535, 65536} {
		c.text(heartbeatRequest + strings.Repeat(" ", n-len(heartbeatRequest)))
		c.expectText(heartbeatAck)
	}
	// Chinese characters, cut in the middle over fragments.
	msg := []byte(`{"type":"HEARTBEAT","pad":"` + strings.Repeat("漢", 8192) + `"}`)
	for at := 0; at < len(msg); at += 1000 {
		end := min(at+1000, len(msg))
		op := ws.OpContinuation
		if at == 0 {
			op = ws.OpText
		}
		c.writeFrame(end == len(msg), 0, op, msg[at:end])
	}
	c.expectText(heartbeatAck)
	c.text(heartbeatRequest + strings.Repeat(" ", 65537-len(heartbeatRequest)))
	c.expectClose(1009, "*")
}

// TestCloseIsEchoed: a client's close is answered with its code and reason,
// and nothing behind it is.
func TestCloseIsEchoed(t *testing.T) {
	r := start(t, nil)
	for _, code := range []int{1000, 1001, 1012, 1013, 1014, 3000, 4500, 4999} {
		c := dialRaw(t, r)
		c.upgrade("closer")
		b := appendMasked(nil, finBit|byte(ws.OpClose), closePayload(code, "bye 再见"))
		b = appendMasked(b, finBit|byte(ws.OpText), []byte(heartbeatRequest))
		c.send(string(b))
		c.expectClose(code, "bye 再见")
		_ = c.Close()
	}
	c := dialRaw(t, r)
	c.upgrade("closer")
	c.writeFrame(true, 0, ws.OpClose, nil)
	if h, p, err := c.readFrame(); err != nil || h != finBit|byte(ws.OpClose) || len(p) != 0 && string(p) != "\x03\xe8" {
		t.Fatalf("close without a code: got %#x %q, %v", h, p, err)
	}
	c.expectEOF()
	_ = c.Close() // else the server leaves its side open for websocket.close-timeout
	waitFor(t, "all to be gone", func() bool { return r.reactor.Conns() == 0 })
}

// TestCutConnectionsAreForgotten: FIN and RST without a close frame end the
// session at once.
func TestCutConnectionsAreForgotten(t *testing.T) {
	r := start(t, nil)
	for _, reset := range []bool{false, true} {
		c := dialRaw(t, r)
		c.upgrade("cut")
		c.heartbeat()
		if reset {
			if err := c.Conn.(*net.TCPConn).SetLinger(0); err != nil {
				t.Fatal(err)
			}
		}
		_ = c.Close()
		waitFor(t, "the session to end", func() bool { return r.SessionCount() == 0 && r.OnlineUserCount() == 0 })
	}
	// A FIN alone is the end too, whatever was begun; the server closes its side.
	for name, begun := range map[string]string{
		"nothing": "", "half a header": "\x81", "half a mask": "\x81\x84ab", "half a payload": "\x81\x84abcdx",
		"a fragment": "\x01\x81abcdx", "half a ping": "\x89\x84abcd", "half a close": "\x88\x82abcdx",
	} {
		c := dialRaw(t, r)
		c.upgrade("cut")
		c.heartbeat()
		c.send(begun)
		if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		waitFor(t, "the session to end after "+name, func() bool { return r.SessionCount() == 0 && r.OnlineUserCount() == 0 })
		c.expectEOF()
		if took := time.Since(began); took > r.cfg.WebSocket.CloseTimeout {
			t.Errorf("%s: it took %v", name, took)
		}
	}
	waitFor(t, "the sockets to be closed", func() bool { return r.reactor.Conns() == 0 })
}

// expiring gives tokens that are good for a moment.
type expiring struct{ life time.Duration }

func (e expiring) Verify([]byte) (auth.Identity, error) {
	return auth.Identity{User: "short", Expires: time.Now().Add(e.life)}, nil
}

func TestTokenExpiryClosesTheSession(t *testing.T) {
	r := startWith(t, nil, func(o *Options) { o.Verifier = expiring{400 * time.Millisecond} })
	c := dialRaw(t, r)
	began := time.Now()
	c.upgrade("x")
	c.heartbeat()
	c.expectClose(4401, "token expired")
	if lived := time.Since(began); lived < 400*time.Millisecond {
		t.Errorf("closed after %v, before the token expired", lived)
	}
}

// TestSilenceClosesTheSession: silence for the heartbeat timeout ends a session;
// any frame, a pong too, keeps it.
func TestSilenceClosesTheSession(t *testing.T) {
	const timeout = 600 * time.Millisecond
	r := start(t, func(cfg *config.Config) { cfg.WebSocket.HeartbeatTimeout = timeout })
	alive := map[string]func(c *rawConn){
		"ping":   func(c *rawConn) { c.writeFrame(true, 0, ws.OpPing, nil) },
		"pong":   func(c *rawConn) { c.writeFrame(true, 0, ws.OpPong, nil) },
		"biz":    func(c *rawConn) { c.text(`{"type":"BIZ","code":"NONE"}`) },
		"broken": func(c *rawConn) { c.text(`{`) },
	}
	conns := make(map[string]*rawConn)
	for name := range alive {
		conns[name] = dialRaw(t, r)
		conns[name].upgrade(name)
	}
	silent := dialRaw(t, r)
	silent.upgrade("silent")
	began := time.Now()
	closed := make(chan time.Duration, 1)
	go func() {
		silent.expectClose(4500, "heartbeat timeout")
		closed <- time.Since(began)
	}()
	tick := time.NewTicker(timeout / 6)
	defer tick.Stop()
	for time.Since(began) < 3*timeout {
		for name, live := range alive {
			live(conns[name])
		}
		<-tick.C
	}
	if after := <-closed; after < timeout {
		t.Errorf("closed after %v of silence, before the timeout of %v", after, timeout)
	}
	if n := r.SessionCount(); n != len(alive) {
		t.Errorf("%d sessions, want the %d that gave signs of life", n, len(alive))
	}
}

// TestServerPings keeps clients without a heartbeat of their own.
func TestServerPings(t *testing.T) {
	r := start(t, func(cfg *config.Config) {
		cfg.WebSocket.HeartbeatTimeout = time.Second
		cfg.WebSocket.PingInterval = 300 * time.Millisecond
	})
	c := dialRaw(t, r)
	c.upgrade("pinged")
	began := time.Now()
	for time.Since(began) < 2*time.Second {
		c.expectFrame(finBit|byte(ws.OpPing), nil)
		c.writeFrame(true, 0, ws.OpPong, nil)
	}
	c.heartbeat()
	// No answer any more: the ping does not count as a sign of life.
	c.expectFrame(finBit|byte(ws.OpPing), nil)
	c.expectClose(4500, "heartbeat timeout")
}
