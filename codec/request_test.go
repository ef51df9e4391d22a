package codec

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

const goodKey = "dGhlIHNhbXBsZSBub25jZQ=="

// request builds a header block: the request line, then fields.
func request(line string, fields ...string) string {
	return line + "\r\n" + strings.Join(append(fields, "", ""), "\r\n")
}

// upgradeRequest is a good handshake; more fields may follow. An empty target is /ws?token=Admin@123.
func upgradeRequest(target string, more ...string) string {
	if target == "" {
		target = "/ws?token=Admin@123"
	}
	return request("GET "+target+" HTTP/1.1", append([]string{"Host: localhost:18001", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Key: " + goodKey, "Sec-WebSocket-Version: 13"}, more...)...)
}

func mustScan(t testing.TB, s string) *Request {
	t.Helper()
	r, n, rej := ScanRequest([]byte(s), 0)
	if rej != nil || n != len(s) {
		t.Fatalf("%q: got %d %v, want %d", s, n, rej, len(s))
	}
	return &r
}

func TestScanRequestParts(t *testing.T) {
	t.Parallel()
	in := request("GET /ws?token=a%20b&x=1 HTTP/1.1", "hOsT: Example.org:80", "ORIGIN:http://a.example", "authorization:   Bearer abc  ",
		"User-Agent: one", "user-agent: two", "X-Other: \tv w\t ", "X-Empty:", "X-Latin: \xe9")
	r := mustScan(t, in)
	for name, pair := range map[string][2]string{
		"method": {string(r.Method), "GET"}, "target": {string(r.Target), "/ws?token=a%20b&x=1"}, "path": {string(r.Path), "/ws"},
		"query": {string(r.Query), "token=a%20b&x=1"}, "host": {string(r.Host), "Example.org:80"}, "origin": {string(r.Origin), "http://a.example"},
		"authorization": {string(r.Authorization), "Bearer abc"}, "user agent": {string(r.UserAgent), "one"},
		"other": {string(r.Header("x-other")), "v w"}, "latin": {string(r.Header("X-LATIN")), "\xe9"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", name, pair[0], pair[1])
		}
	}
	if v := r.Header("X-Empty"); v == nil || len(v) != 0 {
		t.Errorf("empty field: got %q, want empty and not nil", v)
	}
	if v := r.Header("X-Missing"); v != nil {
		t.Errorf("missing field: got %q, want nil", v)
	}
	if r.Minor != 1 || r.WantsUpgrade() {
		t.Errorf("got minor %d, upgrade %v", r.Minor, r.WantsUpgrade())
	}
	two := mustScan(t, request("GET / HTTP/1.1", "Host: h", "Origin: http://a", "Origin: http://b", "Authorization: Bearer a", "Authorization: Bearer b"))
	if string(two.Origin) != "http://a" || string(two.Authorization) != "Bearer a" || string(two.Header("origin")) != "http://a" {
		t.Errorf("of two fields the first counts: got %q, %q", two.Origin, two.Authorization)
	}
	if in2 := mustScan(t, request("GET / HTTP/1.0")); in2.Minor != 0 || in2.Host != nil {
		t.Errorf("HTTP/1.0: got %d %q", in2.Minor, in2.Host)
	}
}

func TestScanRequestTargets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ method, target, path, query, host string }{
		{"GET", "/", "/", "", "h"},
		{"GET", "/ws", "/ws", "", "h"},
		{"GET", "/ws?", "/ws", "", "h"},
		{"GET", "/ws?a?b", "/ws", "a?b", "h"},
		{"GET", "//ws", "//ws", "", "h"},
		{"GET", "/%77s", "/%77s", "", "h"},
		{"GET", "http://o.example/ws?x", "/ws", "x", "o.example"},
		{"GET", "HTTP://o.example:81/ws", "/ws", "", "o.example:81"},
		{"GET", "https://o.example", "/", "", "o.example"},
		{"GET", "ws://o.example?x=/ws", "/", "x=/ws", "o.example"},
		{"OPTIONS", "*", "*", "", "h"},
		{"CONNECT", "o.example:443", "o.example:443", "", "h"},
	} {
		in := request(tt.method+" "+tt.target+" HTTP/1.1", "Host: h")
		r := mustScan(t, in)
		if string(r.Path) != tt.path || string(r.Query) != tt.query || string(r.Host) != tt.host {
			t.Errorf("%s: got %q %q %q, want %q %q %q", tt.target, r.Path, r.Query, r.Host, tt.path, tt.query, tt.host)
		}
		if path, ok := RequestPath([]byte(in)); !ok || string(path) != tt.path {
			t.Errorf("%s: RequestPath got %q %v", tt.target, path, ok)
		}
	}
}

func TestScanRequestRefuses(t *testing.T) {
	t.Parallel()
	line := func(s string) string { return request(s, "Host: h") }
	field := func(s string) string { return request("GET / HTTP/1.1", "Host: h", s, "Last: 1") }
	cases := map[string]struct {
		in  string
		rej *Rejection
	}{
		"tls hello":               {"\x16\x03\x01\x02\x00\x01\x00", RejectNotHTTP},
		"a space first":           {" GET / HTTP/1.1\r\n\r\n", RejectNotHTTP},
		"a line feed first":       {"\nGET / HTTP/1.1\r\n\r\n", RejectNotHTTP},
		"nul first":               {"\x00", RejectNotHTTP},
		"lone cr first":           {"\rGET / HTTP/1.1\r\n\r\n", RejectNotHTTP},
		"two empty lines first":   {"\r\n\r\nGET / HTTP/1.1\r\n\r\n", RejectNotHTTP},
		"method alone":            {line("GET"), RejectRequestLine},
		"no version":              {line("GET /"), RejectRequestLine},
		"two spaces":              {line("GET  / HTTP/1.1"), RejectRequestLine},
		"two spaces later":        {line("GET /  HTTP/1.1"), RejectRequestLine},
		"space at the end":        {line("GET / HTTP/1.1 "), RejectRequestLine},
		"tab":                     {line("GET\t/ HTTP/1.1"), RejectRequestLine},
		"method no token":         {line("G(T / HTTP/1.1"), RejectRequestLine},
		"space in the target":     {line("GET /a b HTTP/1.1"), RejectRequestLine},
		"lower case version":      {line("GET / http/1.1"), RejectRequestLine},
		"HTTP/1":                  {line("GET / HTTP/1"), RejectRequestLine},
		"HTTP/1.10":               {line("GET / HTTP/1.10"), RejectRequestLine},
		"HTTP/a.1":                {line("GET / HTTP/a.1"), RejectRequestLine},
		"HTTP/1,1":                {line("GET / HTTP/1,1"), RejectRequestLine},
		"HTTP/2.0":                {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", RejectHTTPVersion},
		"HTTP/0.9":                {line("GET / HTTP/0.9"), RejectHTTPVersion},
		"relative target":         {line("GET ws HTTP/1.1"), RejectTarget},
		"authority of a GET":      {line("GET h:80 HTTP/1.1"), RejectTarget},
		"other scheme":            {line("GET ftp://h/ HTTP/1.1"), RejectTarget},
		"no authority":            {line("GET http:///ws HTTP/1.1"), RejectTarget},
		"user in the authority":   {line("GET http://u@h/ws HTTP/1.1"), RejectTarget},
		"fragment":                {line("GET /ws#x HTTP/1.1"), RejectTarget},
		"raw utf-8 in the target": {line("GET /é HTTP/1.1"), RejectTarget},
		"nul in the target":       {line("GET /\x00 HTTP/1.1"), RejectTarget},
		"del in the target":       {line("GET /\x7f HTTP/1.1"), RejectTarget},
		"cr in the target":        {line("GET /\r HTTP/1.1"), RejectTarget},
		"bare lf, request line":   {"GET / HTTP/1.1\nHost: h\r\n\r\n", RejectLineEnd},
		"bare lf, field":          {field("A: b\nB: c"), RejectLineEnd},
		"bare cr in a value":      {field("A: b\rB: c"), RejectFieldValue},
		"nul in a value":          {field("A: b\x00"), RejectFieldValue},
		"del in a value":          {field("A: b\x7f"), RejectFieldValue},
		"vt in a value":           {field("A: b\x0b"), RejectFieldValue},
		"space before the colon":  {field("A : b"), RejectField},
		"tab before the colon":    {field("A\t: b"), RejectField},
		"no colon":                {field("Abc"), RejectField},
		"no name":                 {field(": b"), RejectField},
		"name no token":           {field("A(b): c"), RejectField},
		"nul in a name":           {field("A\x00: c"), RejectField},
		"utf-8 in a name":         {field("Ä: c"), RejectField},
		"folded with space":       {field("A: b\r\n c"), RejectFolding},
		"folded with tab":         {field("A: b\r\n\tc"), RejectFolding},
		"folded first line":       {request("GET / HTTP/1.1", " x", "Host: h"), RejectFolding},
		"no host":                 {request("GET / HTTP/1.1", "A: b"), RejectHost},
		"no fields":               {request("GET / HTTP/1.1"), RejectHost},
		"two hosts":               {field("host: h"), RejectHost},
		"host with a path":        {request("GET / HTTP/1.1", "Host: h/x"), RejectHost},
		"host with a user":        {request("GET / HTTP/1.1", "Host: u@h"), RejectHost},
		"two hosts in one":        {request("GET / HTTP/1.1", "Host: a b"), RejectHost},
		"no host, absolute-form":  {request("GET http://h/ HTTP/1.1", "A: b"), RejectHost},
	}
	for c := range 32 {
		if c != '\t' && c != '\r' && c != '\n' {
			cases[fmt.Sprintf("control %d in a value", c)] = struct {
				in  string
				rej *Rejection
			}{field("A: b" + string(rune(c)) + "c"), RejectFieldValue}
		}
	}
	for name, tt := range cases {
		r, n, rej := ScanRequest([]byte(tt.in), 0)
		if rej != tt.rej || n != 0 {
			t.Errorf("%s: got %d %v, want %v (%+v)", name, n, rej, tt.rej, r.block)
		}
		// In pieces: incomplete until it is refused, with the same answer.
		for i := range len(tt.in) {
			_, n, rej := ScanRequest([]byte(tt.in[:i]), 0)
			if n != 0 || rej != nil && rej != tt.rej {
				t.Errorf("%s: first %d bytes: got %d %v", name, i, n, rej)
			}
		}
	}
	if _, _, rej := ScanRequest([]byte("\x16"), 0); rej != RejectNotHTTP {
		t.Errorf("first byte of a TLS hello: got %v", rej)
	}
}

func TestScanRequestInPieces(t *testing.T) {
	t.Parallel()
	for _, pre := range []string{"", "\r\n"} {
		in := pre + upgradeRequest("", "Origin: http://localhost:18001", "Sec-WebSocket-Protocol: a, b")
		line := strings.Index(in[2:], "\r\n") + 2
		for i := range len(in) {
			if _, n, rej := ScanRequest([]byte(in[:i]), 0); n != 0 || rej != nil {
				t.Fatalf("%d of %d bytes: got %d %v", i, len(in), n, rej)
			}
			path, ok := RequestPath([]byte(in[:i]))
			if ok != (i >= line+2) || ok && string(path) != "/ws" {
				t.Fatalf("%d of %d bytes: path %q %v", i, len(in), path, ok)
			}
		}
		more := in + "\x81\x80abcd and more"
		r, n, rej := ScanRequest([]byte(more), 0)
		if n != len(in) || rej != nil || !r.WantsUpgrade() {
			t.Errorf("with frames behind it: got %d %v, want %d", n, rej, len(in))
		}
	}
}

func TestScanRequestLimit(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{64, 100, 1000, 8192} {
		head := "GET / HTTP/1.1\r\nHost: h\r\nPad: "
		fit := head + strings.Repeat("p", limit-len(head)-4) + "\r\n\r\n"
		if _, n, rej := ScanRequest([]byte(fit), limit); n != limit || rej != nil {
			t.Errorf("limit %d: a block of just that: got %d %v", limit, n, rej)
		}
		if _, n, rej := ScanRequest([]byte(fit+"more"), limit); n != limit || rej != nil {
			t.Errorf("limit %d: more bytes behind it: got %d %v", limit, n, rej)
		}
		over := head + strings.Repeat("p", limit-len(head)-3) + "\r\n\r\n"
		for i := limit - 3; i <= len(over); i++ {
			_, n, rej := ScanRequest([]byte(over[:i]), limit)
			want := RejectHeaderTooLarge
			if i < limit {
				want = nil
			}
			if n != 0 || rej != want {
				t.Errorf("limit %d: %d bytes of one over: got %d %v, want %v", limit, i, n, rej, want)
			}
		}
		long := "GET /" + strings.Repeat("p", limit)
		if _, n, rej := ScanRequest([]byte(long), limit); n != 0 || rej != RejectHeaderTooLarge {
			t.Errorf("limit %d: endless target: got %d %v", limit, n, rej)
		}
	}
	// A limit that not even the empty line before a request fits in.
	for limit := 1; limit < 10; limit++ {
		in := "\r\n" + request("GET / HTTP/1.1", "Host: h")
		for i := range len(in) + 1 {
			_, n, rej := ScanRequest([]byte(in[:i]), limit)
			want := RejectHeaderTooLarge
			if i < limit || i < 3 { // an empty line alone is not looked at yet
				want = nil
			}
			if n != 0 || rej != want {
				t.Errorf("limit %d: first %d bytes: got %d %v, want %v", limit, i, n, rej, want)
			}
		}
	}
	if _, _, rej := ScanRequest(bytes.Repeat([]byte("a"), DefaultMaxHeader-1), 0); rej != nil {
		t.Errorf("got %v", rej)
	}
	if _, _, rej := ScanRequest(bytes.Repeat([]byte("a"), DefaultMaxHeader), 0); rej != RejectHeaderTooLarge {
		t.Errorf("got %v", rej)
	}
}

func TestWantsUpgrade(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fields []string
		want   bool
	}{
		{[]string{"Upgrade: websocket", "Connection: Upgrade"}, true},
		{[]string{"upgrade: WebSocket", "connection: UPGRADE"}, true},
		{[]string{"Upgrade: websocket", "Connection: keep-alive, Upgrade"}, true},
		{[]string{"Upgrade: websocket", "Connection: keep-alive", "Connection: Upgrade"}, true},
		{[]string{"Upgrade: websocket", "Connection: Upgrade", "Connection: keep-alive"}, true},
		{[]string{"Upgrade: h2c, websocket", "Connection: ,, upgrade ,"}, true},
		{[]string{"Upgrade: h2c", "Upgrade: websocket", "Connection: upgrade"}, true},
		{[]string{"Upgrade: websocket"}, false},
		{[]string{"Connection: Upgrade"}, false},
		{[]string{"Upgrade: h2c", "Connection: Upgrade"}, false},
		{[]string{"Upgrade: websockets", "Connection: Upgrade"}, false},
		{[]string{"Upgrade: websocket", "Connection: not-upgrade"}, false},
		{[]string{"Upgrade: websocket", "Connection:"}, false},
	} {
		if got := mustScan(t, request("GET /ws HTTP/1.1", append(tt.fields, "Host: h")...)).WantsUpgrade(); got != tt.want {
			t.Errorf("%q: got %v", tt.fields, got)
		}
	}
}
