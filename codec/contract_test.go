package codec

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// answer runs a handshake as a server does, in the contract's order, against the
// one token of the reference: what it would write, and the rejection if it is one.
func answer(p *Policy, b []byte) (out []byte, a Accepted, rej *Rejection, complete bool) {
	r, n, rej := ScanRequest(b, DefaultMaxHeader)
	if n == 0 && rej == nil {
		return nil, a, nil, false
	}
	if rej == nil {
		rej = p.Check(&r)
	}
	if rej == nil {
		if tok, ok := r.Token(nil); !ok || string(tok) != "Admin@123" {
			rej = RejectUnauthorized
		}
	}
	if rej == nil {
		rej = p.CheckUpgrade(&r)
	}
	if rej == nil {
		out, a, rej = p.Accept(nil, &r)
	}
	if rej != nil {
		out = rej.Append(nil, nil)
	}
	return out, a, rej, true
}

type contractRow struct {
	name   string
	in     string
	status int
	header [2]string // one that has to be in the answer
}

// contractRows is section 1 of the contract, row by row, as far as codec decides.
func contractRows() []contractRow {
	var rows []contractRow
	add := func(name string, status int, in string, header ...string) {
		row := contractRow{name: name, in: in, status: status}
		if len(header) == 2 {
			row.header = [2]string(header)
		}
		rows = append(rows, row)
	}
	target := func(name string, status int, target string, fields ...string) {
		add(name, status, upgradeRequest(target, fields...))
	}
	// with changes one field of a good handshake.
	with := func(field string, values ...string) string {
		return strings.Replace(edit(field, values...), "GET /ws ", "GET /ws?token=Admin@123 ", 1)
	}

	add("good", 101, upgradeRequest(""), "Sec-Websocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
	target("token escaped", 101, "/ws?token=Admin%40123")
	target("other parameters behind", 101, "/ws?token=Admin@123&userId=77")
	target("other parameters before", 101, "/ws?userId=77&token=Admin@123&x=%zz")
	target("first of two tokens is bad", 401, "/ws?token=x&token=Admin@123")
	target("first of two tokens is good", 101, "/ws?token=Admin@123&token=x")
	for _, q := range []string{"", "?", "?token", "?token=", "?token=%20", "?token=x", "?token=Admin@12", "?token=%20Admin@123", "?token=Admin@123%20",
		"?token=+Admin@123", "?token=admin@123", "?Token=Admin@123", "?TOKEN=Admin@123", "?token=%zz", "?token=Admin@123%", "?token=Admin@123%4", "?a=token=Admin@123"} {
		add("token "+q, 401, upgradeRequest("/ws"+q), "Www-Authenticate", "Bearer")
	}
	target("token as bearer", 101, "/ws", "Authorization: Bearer Admin@123")
	target("bad token with a good bearer", 401, "/ws?token=x", "Authorization: Bearer Admin@123")

	target("origin listed", 101, "", "Origin: http://localhost:5173")
	target("origin listed, host in another case", 101, "", "Origin: http://LocalHost:5173")
	target("origin of the request", 101, "", "Origin: http://localhost:18001")
	for _, o := range []string{"http://evil.example", "http://localhost:5174", "http://localhost", "https://localhost:18001", "null",
		"http://localhost:5173.evil.example", "http://localhost:5173/", "", "http://localhost:5173, http://localhost:5173"} {
		target("origin "+o, 403, "", "Origin: "+o)
	}
	target("no origin", 101, "")

	add("version 8", 426, with("Sec-WebSocket-Version", "8"), "Sec-Websocket-Version", "13")
	add("version 13, 8", 426, with("Sec-WebSocket-Version", "13, 8"), "Sec-Websocket-Version", "13")
	add("version none", 426, with("Sec-WebSocket-Version"), "Sec-Websocket-Version", "13")
	add("key none", 400, with("Sec-WebSocket-Key"))
	add("key empty", 400, with("Sec-WebSocket-Key", ""))
	add("key of 15 bytes", 400, with("Sec-WebSocket-Key", "MTIzNDU2Nzg5MDEyMzQ1"))
	add("key of 17 bytes", 400, with("Sec-WebSocket-Key", "MTIzNDU2Nzg5MDEyMzQ1Njc="))
	add("upgrade none", 400, with("Upgrade"))
	add("upgrade h2c", 400, with("Upgrade", "h2c"))
	add("connection none", 400, with("Connection"))
	for _, m := range []string{"POST", "PUT", "HEAD", "OPTIONS", "BREW", "get"} {
		add("method "+m, 405, strings.Replace(upgradeRequest(""), "GET", m, 1), "Allow", "GET")
	}
	// CONNECT names an authority, not a path, so nothing of it is ours.
	add("method CONNECT", 404, strings.Replace(upgradeRequest(""), "GET", "CONNECT", 1))
	add("HTTP/1.0", 505, strings.Replace(upgradeRequest(""), "HTTP/1.1", "HTTP/1.0", 1))
	add("HTTP/2.0", 505, strings.Replace(upgradeRequest(""), "HTTP/1.1", "HTTP/2.0", 1))
	add("no host", 400, strings.Replace(upgradeRequest(""), "Host: localhost:18001\r\n", "", 1))
	target("a line over the limit", 431, "", "X-Long: "+strings.Repeat("x", DefaultMaxHeader))
	for _, path := range []string{"/wsx", "/ws/", "/WS", "/", "//ws", "/%77s"} {
		target("path "+path, 404, path+"?token=Admin@123")
	}

	target("subprotocols", 101, "", "Sec-WebSocket-Protocol: chat, superchat")
	add("deflate", 101, upgradeRequest("", "Sec-WebSocket-Extensions: permessage-deflate"), "Sec-Websocket-Extensions", deflateAnswer)
	target("deflate with a window of 10", 101, "", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10")
	target("unknown extension", 101, "", "Sec-WebSocket-Extensions: x-unknown; a=1")
	target("deflate with an unknown parameter", 101, "", "Sec-WebSocket-Extensions: permessage-deflate; x=1")
	add("connection list", 101, with("Connection", "keep-alive, Upgrade"))
	add("two connection lines", 101, with("Connection", "keep-alive", "Upgrade"))
	add("Upgrade: WebSocket", 101, with("Upgrade", "WebSocket"))
	add("upper-case names", 101, "GET /ws?token=Admin@123 HTTP/1.1\r\nHOST:h\r\nUPGRADE:websocket\r\nCONNECTION:upgrade\r\nSEC-WEBSOCKET-KEY:"+goodKey+"\r\nSEC-WEBSOCKET-VERSION:13\r\n\r\n")
	add("lower-case names", 101, "GET /ws?token=Admin@123 HTTP/1.1\r\nhost:h\r\nupgrade:websocket\r\nconnection:upgrade\r\nsec-websocket-key:"+goodKey+"\r\nsec-websocket-version:13\r\n\r\n")

	// The order of the checks: path, method, token, Upgrade, version, key, origin.
	faults := []struct {
		status   int
		from, to string
	}{
		{404, "/ws?", "/other?"}, {405, "GET", "POST"}, {401, "Admin@123", "x"}, {400, "Upgrade: websocket", "Upgrade: h2c"},
		{426, "Version: 13", "Version: 8"}, {400, goodKey, "short"}, {403, "http://localhost:5173", "http://evil.example"},
	}
	for i, f := range faults {
		for j := i + 1; j < len(faults); j++ {
			in := strings.Replace(upgradeRequest("", "Origin: http://localhost:5173"), f.from, f.to, 1)
			add("order: "+f.to+" before "+faults[j].to, f.status, strings.Replace(in, faults[j].from, faults[j].to, 1))
		}
	}
	return rows
}

func TestContractHandshake(t *testing.T) {
	t.Parallel()
	origins, err := OriginMatcher([]string{"http://localhost:5173"})
	if err != nil {
		t.Fatal(err)
	}
	p := &Policy{CheckOrigin: origins, Compression: true}
	const frames = "\x81\x80abcd\x89\x80efgh"
	for _, row := range contractRows() {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			out, a, rej, complete := answer(p, []byte(row.in))
			if !complete {
				t.Fatal("taken for incomplete")
			}
			resp := parseResponse(t, out)
			if resp.StatusCode != row.status {
				t.Fatalf("got %d (%v), want %d", resp.StatusCode, rej, row.status)
			}
			if row.header[0] != "" && resp.Header.Get(row.header[0]) != row.header[1] {
				t.Errorf("%s: got %q, want %q", row.header[0], resp.Header.Get(row.header[0]), row.header[1])
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if row.status == 101 {
				if got := resp.Header; got.Get("Upgrade") != "websocket" || got.Get("Connection") != "upgrade" || got.Get("Sec-Websocket-Protocol") != "" {
					t.Errorf("got headers %v", got)
				}
				if want := row.name == "deflate"; a.Deflate != want || (resp.Header.Get("Sec-Websocket-Extensions") != "") != want {
					t.Errorf("deflate: got %v, want %v", a.Deflate, want)
				}
			} else {
				var doc struct{ Status int }
				if err := json.Unmarshal(body, &doc); err != nil || doc.Status != row.status {
					t.Errorf("body %s: %v", body, err)
				}
			}
			// Byte by byte: incomplete, then the same answer; frames behind it change nothing.
			for i := range len(row.in) + len(frames) + 1 {
				got, _, _, complete := answer(p, []byte((row.in + frames)[:i]))
				if complete && string(got) != string(out) || !complete && i >= len(row.in) {
					t.Fatalf("%d of %d bytes: got %q, want %q", i, len(row.in), got, out)
				}
				if complete && row.status == 101 && i < len(row.in) {
					t.Fatalf("%d of %d bytes: upgraded before the end", i, len(row.in))
				}
			}
		})
	}
}

// Section 2 of the contract: what a server does with one text message. "ack" is
// the acknowledgement, "code X" runs the handler of X, "warn" and "bad" send nothing.
func TestContractMessages(t *testing.T) {
	t.Parallel()
	act := func(payload []byte, e *Envelope) string {
		if IsHeartbeat(payload) {
			return "ack"
		}
		switch err := ParseEnvelope(payload, e); {
		case err != nil:
			return "bad"
		case e.Kind == KindHeartbeat:
			return "ack"
		case e.Kind == KindBiz && e.HasCode:
			return "code " + string(e.Code)
		}
		return "warn"
	}
	pad := strings.Repeat("p", 8192)
	for _, tt := range []struct{ want, in string }{
		{"ack", `{"type":"HEARTBEAT"}`}, {"ack", "\r\n\t {\"type\" : \"HEARTBEAT\"} "}, {"ack", `{"type":"HEARTBEAT","data":null,"code":"X","t":1}`},
		{"ack", `{"t":[1,{"type":"BIZ"}],"type":"HEARTBEAT"}`}, {"ack", `{"type":"HEART\u0042EAT"}`}, {"ack", `{"pad":"` + pad + `","type":"HEARTBEAT"}`},
		{"ack", `{"type":"HEARTBEAT"` + strings.Repeat(" ", 8192) + `}`}, {"ack", `{"type":"BIZ","type":"HEARTBEAT"}`},
		{"bad", `{'type':'HEARTBEAT'}`}, {"bad", `{"type":"HEARTBEAT",}`}, {"bad", "\ufeff" + `{"type":"HEARTBEAT"}`}, {"bad", `{"type":"HEARTBEAT"}` + "\x00"},
		{"bad", `{"type":"HEARTBEAT"}garbage`}, {"bad", `{bad`}, {"bad", `[]`}, {"bad", `[{"type":"HEARTBEAT"}]`}, {"bad", `null`}, {"bad", `5`}, {"bad", `"str"`}, {"bad", ``},
		{"warn", `{}`}, {"warn", `{"type":1}`}, {"warn", `{"Type":"HEARTBEAT"}`}, {"warn", `{"type":"NOPE"}`}, {"warn", `{"type":"heartbeat"}`},
		{"warn", `{"type":"HEARTBEAT "}`}, {"warn", `{"type":"HEARTBEAT_ACK"}`}, {"warn", `{"code":"CHAT_SEND"}`}, {"warn", `{"type":"HEARTBEAT","type":"NOPE"}`},
		{"code CHAT_SEND", `{"type":"BIZ","code":"CHAT_SEND","data":{"content":"x"}}`}, {"code NOTICE_ACK", `{"type":"BIZ","code":"NOTICE_ACK"}`},
		{"code ORDER_CREATE", `{"data":[1],"code":"ORDER_CREATE","type":"BIZ"}`}, {"code NOPE", `{"type":"BIZ","code":"NOPE"}`},
		{"warn", `{"type":"BIZ"}`}, {"warn", `{"type":"BIZ","code":null}`}, {"warn", `{"type":"BIZ","code":7}`}, {"warn", `{"type":"BIZ","code":{}}`},
	} {
		// Whole, in fragments of one byte with a ping between, and in single bytes.
		fs := []cframe{{op: opText, more: true}}
		for i := range len(tt.in) {
			fs = append(fs, cframe{op: opCont, more: true, payload: tt.in[i : i+1]})
		}
		fs = append(fs, cframe{op: opPing, payload: "p"}, cframe{op: opCont})
		in := append(join(cframe{op: opText, payload: tt.in}), join(fs...)...)
		for _, size := range []int{len(in), 1} {
			var got []string
			var e Envelope
			o := feed(t, NewDecoder(DecoderOptions{}), false, in, size)
			for _, m := range o.msgs {
				if m == "ping:p" {
					got = append(got, "pong")
				} else {
					got = append(got, act([]byte(strings.TrimPrefix(m, "text:")), &e))
				}
			}
			if s := strings.Join(got, ", "); o.err != nil || s != tt.want+", pong, "+tt.want {
				t.Errorf("%.60q in pieces of %d: got %s %v, want %s twice", tt.in, size, s, o.err, tt.want)
			}
		}
	}
	// n in one write give n answers, each the frame of the contract.
	var in, out []byte
	for range 50 {
		in = append(in, join(cframe{op: opText, payload: HeartbeatRequest})...)
	}
	var p *Partial
	d := NewDecoder(DecoderOptions{})
	for len(in) > 0 {
		m, n, err := d.Next(&p, false, in)
		if err != nil || m.Op != ws.OpText || !IsHeartbeat(m.Payload) {
			t.Fatalf("got %v %v", m, err)
		}
		in, out = in[n:], append(out, HeartbeatAck...)
	}
	if want := strings.Repeat("\x81\x18"+`{"type":"HEARTBEAT_ACK"}`, 50); string(out) != want {
		t.Errorf("got %q", out)
	}
}
