package codec

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// parseResponse reads an answer with net/http, which is strict about it.
func parseResponse(t testing.TB, b []byte) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
	if err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	return resp
}

func TestPolicyCheck(t *testing.T) {
	t.Parallel()
	var p Policy
	for line, want := range map[string]*Rejection{
		"GET /ws HTTP/1.1":           nil,
		"GET /ws HTTP/1.2":           nil,
		"GET /ws?token=x HTTP/1.1":   nil,
		"GET http://h/ws?x HTTP/1.1": nil,
		"GET /wsx HTTP/1.1":          RejectNotFound,
		"GET /ws/ HTTP/1.1":          RejectNotFound,
		"GET /WS HTTP/1.1":           RejectNotFound,
		"GET //ws HTTP/1.1":          RejectNotFound,
		"GET / HTTP/1.1":             RejectNotFound,
		"OPTIONS * HTTP/1.1":         RejectNotFound,
		"POST /wsx HTTP/1.1":         RejectNotFound,
		"POST /ws HTTP/1.1":          RejectMethod,
		"PUT /ws HTTP/1.1":           RejectMethod,
		"HEAD /ws HTTP/1.1":          RejectMethod,
		"OPTIONS /ws HTTP/1.1":       RejectMethod,
		"BREW /ws HTTP/1.1":          RejectMethod,
		"get /ws HTTP/1.1":           RejectMethod,
		"POST /ws HTTP/1.0":          RejectMethod,
		"GET /ws HTTP/1.0":           RejectHTTPVersion,
	} {
		if got := p.Check(mustScan(t, request(line, "Host: h"))); got != want {
			t.Errorf("%s: got %v, want %v", line, got, want)
		}
	}
	p.Path = "/push/ws"
	if got := p.Check(mustScan(t, request("GET /push/ws HTTP/1.1", "Host: h"))); got != nil {
		t.Errorf("own path: got %v", got)
	}
	if got := p.Check(mustScan(t, request("GET /ws HTTP/1.1", "Host: h"))); got != RejectNotFound {
		t.Errorf("default path beside an own one: got %v", got)
	}
}

// edit replaces, removes ("") or adds a field of the good handshake.
func edit(name string, values ...string) string {
	fields := []string{"Host: h"}
	for _, f := range []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: " + goodKey, "Sec-WebSocket-Version: 13"} {
		if !strings.HasPrefix(f, name+":") {
			fields = append(fields, f)
		}
	}
	for _, v := range values {
		fields = append(fields, name+": "+v)
	}
	return request("GET /ws HTTP/1.1", fields...)
}

func TestPolicyCheckUpgrade(t *testing.T) {
	t.Parallel()
	origins, err := OriginMatcher([]string{"https://good.example"})
	if err != nil {
		t.Fatal(err)
	}
	p := Policy{CheckOrigin: origins}
	for _, tt := range []struct {
		name   string
		values []string
		want   *Rejection
	}{
		{"X-Nothing", nil, nil},
		{"Upgrade", nil, RejectUpgrade},
		{"Upgrade", []string{""}, RejectUpgrade},
		{"Upgrade", []string{"h2c"}, RejectUpgrade},
		{"Upgrade", []string{"WebSocket"}, nil},
		{"Upgrade", []string{"h2c, websocket"}, nil},
		{"Upgrade", []string{"h2c", "websocket"}, nil},
		{"Connection", nil, RejectConnection},
		{"Connection", []string{"keep-alive"}, RejectConnection},
		{"Connection", []string{"keep-alive, Upgrade"}, nil},
		{"Connection", []string{"keep-alive", "upgrade"}, nil},
		{"Connection", []string{"upgrade", "keep-alive"}, nil},
		{"Connection", []string{",, upgrade ,"}, nil},
		{"Connection", []string{"@, upgrade"}, nil},
		{"Connection", []string{"a=b, upgrade"}, nil},
		{"Connection", []string{"\"x, upgrade"}, nil},
		{"Connection", []string{"@, upgrade", "keep-alive"}, nil},
		{"Connection", []string{"upgrade;q=1"}, RejectConnection},
		{"Sec-WebSocket-Version", nil, RejectVersion},
		{"Sec-WebSocket-Version", []string{""}, RejectVersion},
		{"Sec-WebSocket-Version", []string{"8"}, RejectVersion},
		{"Sec-WebSocket-Version", []string{"013"}, RejectVersion},
		{"Sec-WebSocket-Version", []string{"13, 8"}, RejectVersion},
		{"Sec-WebSocket-Version", []string{"13", "13"}, RejectVersion},
		{"Sec-WebSocket-Key", nil, RejectKey},
		{"Sec-WebSocket-Key", []string{""}, RejectKey},
		{"Sec-WebSocket-Key", []string{goodKey, goodKey}, RejectKey},
		{"Sec-WebSocket-Key", []string{"dGhlIHNhbXBsZSBub25jZQ"}, RejectKey},
		{"Sec-WebSocket-Key", []string{"dGhlIHNhbXBsZSBub25jZTE="}, RejectKey}, // 17 bytes
		{"Sec-WebSocket-Key", []string{"dGhlIHNhbXBsZSBub25jZTEy"}, RejectKey}, // 18 bytes
		{"Sec-WebSocket-Key", []string{"dGhlIHNhbXBsZSBub25jZ!=="}, RejectKey},
		{"Sec-WebSocket-Key", []string{"dGhlIHNhbXBsZSBub25jZQ=a"}, RejectKey},
		{"Sec-WebSocket-Key", []string{strings.Repeat("A", 100)}, RejectKey},
		{"Origin", []string{"https://good.example"}, nil},
		{"Origin", []string{"http://h"}, nil},
		{"Origin", []string{"https://h"}, RejectOrigin},
		{"Origin", []string{"https://evil.example"}, RejectOrigin},
		{"Origin", []string{"null"}, RejectOrigin},
		{"Origin", []string{""}, RejectOrigin},
		{"Origin", []string{"https://good.example", "https://good.example"}, RejectOrigin},
		{"Content-Length", []string{"0"}, nil},
		{"Content-Length", []string{"5"}, RejectBody},
		{"Content-Length", []string{"0", "5"}, RejectBody},
		{"Transfer-Encoding", []string{"chunked"}, RejectBody},
	} {
		r := mustScan(t, edit(tt.name, tt.values...))
		if got := p.CheckUpgrade(r); got != tt.want {
			t.Errorf("%s %q: got %v, want %v", tt.name, tt.values, got, tt.want)
		}
		if tt.want != nil {
			continue
		}
		out, _, rej := p.Accept(nil, r)
		if rej != nil {
			t.Errorf("%s %q: passed CheckUpgrade, but Accept: %v", tt.name, tt.values, rej)
			continue
		}
		if resp := parseResponse(t, out); resp.StatusCode != 101 {
			t.Errorf("%s %q: status %d", tt.name, tt.values, resp.StatusCode)
		}
	}
	if got := (&Policy{}).CheckUpgrade(mustScan(t, edit("Origin", "https://evil.example"))); got != nil {
		t.Errorf("no CheckOrigin: got %v", got)
	}
	if got := (&Policy{}).CheckUpgrade(mustScan(t, edit("Origin", "http://a", "http://a"))); got != RejectOrigin {
		t.Errorf("two Origins, no CheckOrigin: got %v", got)
	}
}

// The whole answer, byte for byte; key and accept are RFC 6455's example (section 1.3).
func TestAcceptBytes(t *testing.T) {
	t.Parallel()
	p := Policy{Compression: true, Protocols: []string{"v1"}, Date: func() []byte { return []byte("Tue, 24 Nov 2026 08:00:00 GMT") }}
	in := upgradeRequest("", "Sec-WebSocket-Protocol: v0, v1", "Sec-WebSocket-Extensions: permessage-deflate")
	out, a, rej := p.Accept([]byte("before"), mustScan(t, in))
	if rej != nil {
		t.Fatal(rej)
	}
	want := "before" + strings.Join([]string{"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: upgrade",
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "Sec-WebSocket-Protocol: v1",
		"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover",
		"Date: Tue, 24 Nov 2026 08:00:00 GMT", "", ""}, "\r\n")
	if string(out) != want {
		t.Errorf("got %q, want %q", out, want)
	}
	if a != (Accepted{Protocol: "v1", Deflate: true}) {
		t.Errorf("got %+v", a)
	}
	out, a, rej = (&Policy{}).Accept(nil, mustScan(t, in))
	want = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
	if rej != nil || string(out) != want || a != (Accepted{}) {
		t.Errorf("bare: got %q %+v %v", out, a, rej)
	}
}

// Accept leaves the scanned bytes alone: frames follow them in the same buffer.
func TestAcceptDoesNotWriteToTheRequest(t *testing.T) {
	t.Parallel()
	for _, more := range []string{"", "Connection: keep-alive", "x-pad: " + strings.Repeat("p", 5000)} {
		in := []byte("\r\n" + upgradeRequest("", "SEC-websocket-PROTOCOL: a", more+"\r\nx: y"))
		if more == "" {
			in = []byte(upgradeRequest("", "SEC-websocket-PROTOCOL: a"))
		}
		before := string(in)
		r, n, rej := ScanRequest(in, 0)
		if rej != nil || n != len(in) {
			t.Fatal(n, rej)
		}
		if rej := (&Policy{}).CheckUpgrade(&r); rej != nil {
			t.Fatal(rej)
		}
		if _, _, rej := (&Policy{Protocols: []string{"a"}}).Accept(nil, &r); rej != nil {
			t.Fatal(rej)
		}
		if string(in) != before {
			t.Errorf("%.20q: the request was changed", more)
		}
	}
}

func TestSubprotocol(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		offers []string
		speaks []string
		want   string
	}{
		{"none offered", nil, []string{"a"}, ""},
		{"none configured", []string{"a, b"}, nil, ""},
		{"the client's order", []string{"b, a"}, []string{"a", "b"}, "b"},
		{"the only common one", []string{"x,y , a"}, []string{"a"}, "a"},
		{"nothing common", []string{"x, y"}, []string{"a"}, ""},
		{"over several lines", []string{"x", "y", "a"}, []string{"a"}, "a"},
		{"exact case", []string{"A"}, []string{"a"}, ""},
		{"empty elements", []string{",,a,"}, []string{"a"}, "a"},
		{"bearer and token", []string{"bearer, tok"}, nil, "bearer"},
		{"bearer and token, another configured", []string{"bearer, tok, a"}, []string{"a"}, "a"},
		{"bearer after another", []string{"x, bearer, tok"}, []string{"a"}, "bearer"},
		{"bearer alone", []string{"bearer"}, []string{"a"}, ""},
		{"bearer last", []string{"x, bearer"}, nil, ""},
		{"a token that looks like a protocol", []string{"bearer, a"}, []string{"a"}, "bearer"},
		{"a token of bearer", []string{"bearer, bearer"}, nil, "bearer"},
		{"bearer configured, too", []string{"bearer, tok, a"}, []string{"a", "bearer"}, "bearer"},
		{"bearer and token in two lines", []string{"bearer", "tok"}, nil, "bearer"},
	} {
		var fields []string
		for _, o := range tt.offers {
			fields = append(fields, "Sec-WebSocket-Protocol: "+o)
		}
		for _, more := range []string{"", "Connection: keep-alive"} { // as it is, and written anew
			f := fields
			if more != "" {
				f = append([]string{more}, fields...)
			}
			out, a, rej := (&Policy{Protocols: tt.speaks}).Accept(nil, mustScan(t, upgradeRequest("/ws", f...)))
			if rej != nil {
				t.Errorf("%s: %v", tt.name, rej)
				continue
			}
			if got := parseResponse(t, out).Header.Get("Sec-WebSocket-Protocol"); got != tt.want || a.Protocol != tt.want {
				t.Errorf("%s: got %q, %q, want %q", tt.name, got, a.Protocol, tt.want)
			}
		}
	}
}

func TestNegotiateDeflate(t *testing.T) {
	t.Parallel()
	const plain, window = deflateAnswer, deflateAnswerWindow
	for _, tt := range []struct {
		offer []string
		want  string
	}{
		{[]string{"permessage-deflate"}, plain},
		{[]string{"permessage-deflate; client_max_window_bits"}, plain},
		{[]string{"permessage-deflate;client_max_window_bits=15"}, plain},
		{[]string{"permessage-deflate; client_max_window_bits=8"}, plain},
		{[]string{"permessage-deflate; client_max_window_bits=\"10\""}, plain},
		{[]string{"permessage-deflate; server_no_context_takeover; client_no_context_takeover"}, plain},
		{[]string{"permessage-deflate ; server_no_context_takeover ;client_no_context_takeover ; client_max_window_bits = 12"}, plain},
		{[]string{"permessage-deflate; server_max_window_bits=15"}, window},
		{[]string{"permessage-deflate; server_max_window_bits=\"15\"; client_max_window_bits"}, window},
		{[]string{"permessage-deflate; server_max_window_bits=10"}, ""},
		{[]string{"permessage-deflate; server_max_window_bits=14"}, ""},
		{[]string{"permessage-deflate; server_max_window_bits"}, ""},
		{[]string{"permessage-deflate; server_max_window_bits=16"}, ""},
		{[]string{"permessage-deflate; server_max_window_bits=015"}, ""},
		{[]string{"permessage-deflate; server_max_window_bits=\"\""}, ""},
		{[]string{"permessage-deflate; client_max_window_bits=7"}, ""},
		{[]string{"permessage-deflate; client_max_window_bits=16"}, ""},
		{[]string{"permessage-deflate; client_max_window_bits=x"}, ""},
		{[]string{"permessage-deflate; client_no_context_takeover=1"}, ""},
		{[]string{"permessage-deflate; server_no_context_takeover=\"\""}, ""},
		{[]string{"permessage-deflate; unknown"}, ""},
		{[]string{"permessage-deflate; unknown=1"}, ""},
		{[]string{"permessage-deflate; client_no_context_takeover; client_no_context_takeover"}, ""},
		{[]string{"permessage-deflate; client_max_window_bits; client_max_window_bits=10"}, ""},
		{[]string{"permessage-deflate; server_max_window_bits=10, permessage-deflate"}, plain},
		{[]string{"permessage-deflate; server_max_window_bits=10", "permessage-deflate"}, plain},
		{[]string{"permessage-deflate; unknown, permessage-deflate; server_max_window_bits=15, permessage-deflate"}, window},
		{[]string{"permessage-deflate; a; b=\"c\" , x, permessage-deflate"}, plain},
		{[]string{"x-webkit-deflate-frame"}, ""},
		{[]string{"x-other; a=1; b, permessage-deflate"}, plain},
		{[]string{"permessage-bzip2, permessage-deflate"}, plain},
		{[]string{"Permessage-Deflate"}, ""},
		{[]string{", ,permessage-deflate,"}, plain},
		{[]string{""}, ""},
		{[]string{","}, ""},
		{[]string{";"}, ""},
		{[]string{"permessage-deflate;"}, ""},
		{[]string{"permessage-deflate; ="}, ""},
		{[]string{"permessage-deflate; client_max_window_bits="}, ""},
		{[]string{"permessage-deflate; client_max_window_bits=\"10"}, ""},
		{[]string{"permessage-deflate x"}, ""},
		{[]string{"=", "permessage-deflate"}, plain},
		{[]string{"\"permessage-deflate\""}, ""},
	} {
		var fields []string
		for _, o := range tt.offer {
			fields = append(fields, "Sec-WebSocket-Extensions: "+o)
		}
		for _, compression := range []bool{true, false} {
			out, a, rej := (&Policy{Compression: compression}).Accept(nil, mustScan(t, upgradeRequest("/ws", fields...)))
			if rej != nil {
				t.Errorf("%q: %v", tt.offer, rej)
				continue
			}
			want := tt.want
			if !compression {
				want = ""
			}
			if got := parseResponse(t, out).Header.Get("Sec-WebSocket-Extensions"); got != want || a.Deflate != (want != "") {
				t.Errorf("%q: got %q %v, want %q", tt.offer, got, a.Deflate, want)
			}
		}
	}
}

func FuzzHandshake(f *testing.F) {
	for _, more := range [][]string{
		{}, {"Origin: http://localhost:18001"}, {"Connection: keep-alive"}, {"Upgrade: h2c"}, {"Sec-WebSocket-Protocol: bearer, base64url.QQ"},
		{"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x; y=\"z\""}, {"Authorization: Bearer x"}, {"A : b"}, {"A: b\r\n c"},
		{"Content-Length: 0"}, {"Sec-WebSocket-Key: " + goodKey}, {"X-Forwarded-Proto: https", "Origin: https://localhost:18001"},
	} {
		f.Add([]byte(upgradeRequest("", more...)), uint16(7))
	}
	f.Add([]byte("\r\n"+upgradeRequest("http://h/ws?token=%41+b")+"\x81\x80abcd"), uint16(3))
	f.Add([]byte("GET / HTTP/1.0\r\n\r\n"), uint16(1))
	f.Add([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), uint16(1))
	f.Add([]byte("\x16\x03\x01"), uint16(1))
	origins, err := OriginMatcher([]string{"https://*.example.org", "http://localhost:*"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		before := string(b)
		const limit = 2000
		r, n, rej := ScanRequest(b, limit)
		if n < 0 || n > len(b) || n > limit || n > 0 && rej != nil {
			t.Fatalf("got %d %v for %d bytes", n, rej, len(b))
		}
		// A beginning of it is incomplete, or has the same answer.
		i := int(cut) % (len(b) + 1)
		_, n2, rej2 := ScanRequest(b[:i], limit)
		switch {
		case n2 > 0 && (n2 != n || rej2 != rej), rej2 != nil && rej2 != rej && rej2 != RejectHeaderTooLarge, n2 == 0 && rej2 == nil && n > 0 && i >= n:
			t.Fatalf("%d of %d bytes: got %d %v, whole: %d %v", i, len(b), n2, rej2, n, rej)
		}
		path, ok := RequestPath(b)
		if n == 0 {
			return
		}
		if !ok || string(path) != string(r.Path) {
			t.Fatalf("RequestPath got %q %v, want %q", path, ok, r.Path)
		}
		// net/http reads the same request. It is stricter in some values.
		if hr, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(r.block))); err == nil {
			if hr.Method != string(r.Method) || hr.RequestURI != string(r.Target) || hr.Host != string(r.Host) && !r.ownHost {
				t.Fatalf("got %q %q %q, net/http %q %q %q", r.Method, r.Target, r.Host, hr.Method, hr.RequestURI, hr.Host)
			}
			if got, want := string(r.Header("Sec-WebSocket-Key")), hr.Header.Get("Sec-WebSocket-Key"); got != want {
				t.Fatalf("key: got %q, net/http %q", got, want)
			}
		}
		tok, ok := r.Token(nil)
		if ok && len(tok) == 0 {
			t.Fatal("an empty token is ok")
		}
		p := Policy{CheckOrigin: origins, Compression: true, Protocols: []string{"v1"}, Path: string(r.Path)}
		if p.Check(&r) != nil || p.CheckUpgrade(&r) != nil {
			return
		}
		if !r.WantsUpgrade() {
			t.Fatal("accepted, but does not want an upgrade")
		}
		out, a, rej := p.Accept(nil, &r)
		if rej != nil {
			t.Fatalf("passed the checks, but Accept says %v", rej)
		}
		resp := parseResponse(t, out)
		if resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Protocol") != a.Protocol || (resp.Header.Get("Sec-WebSocket-Extensions") != "") != a.Deflate {
			t.Fatalf("got %q for %+v", out, a)
		}
		if string(b) != before {
			t.Fatal("the request was changed")
		}
	})
}

func ExamplePolicy_Accept() {
	in := []byte("GET /ws?token=Admin%40123 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	var p Policy
	r, n, rej := ScanRequest(in, 8<<10)
	if rej == nil && n > 0 {
		rej = p.Check(&r)
	}
	token, ok := r.Token(nil)
	if rej == nil {
		rej = p.CheckUpgrade(&r)
	}
	fmt.Println(n == len(in), rej == nil, string(token), ok)
	out, _, _ := p.Accept(nil, &r)
	fmt.Println(strings.SplitN(string(out), "\r\n", 2)[0])
	// Output:
	// true true Admin@123 true
	// HTTP/1.1 101 Switching Protocols
}
