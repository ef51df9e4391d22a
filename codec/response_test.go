package codec

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// theNonce and what belongs to it are the example of RFC 6455 section 1.3.
var theNonce = [16]byte([]byte("the sample nonce"))

const (
	theKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	theAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

func TestAcceptOf(t *testing.T) {
	t.Parallel()
	if got := AppendKey([]byte("key: "), theNonce); string(got) != "key: "+theKey {
		t.Errorf("got %q, want %q", got, theKey)
	}
	if got := AcceptOf(theNonce); string(got[:]) != theAccept {
		t.Errorf("got %q, want %q", got, theAccept)
	}
}

// agreement is a server's agreement with header lines replaced or added.
func agreement(change ...string) string {
	lines := []string{"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: " + theAccept}
	for i := 0; i+1 < len(change); i += 2 {
		at := -1
		for j, l := range lines {
			if change[i] != "" && strings.HasPrefix(l, change[i]) {
				at = j
			}
		}
		switch {
		case at < 0:
			lines = append(lines, change[i+1])
		case change[i+1] == "":
			lines = append(lines[:at], lines[at+1:]...)
		default:
			lines[at] = change[i+1]
		}
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

var answers = []struct {
	name, in, offered string
	want              string // the error; "": agreement
}{
	{name: "plain", in: agreement()},
	{name: "HTTP/1.0 as some write it", in: agreement("HTTP", "HTTP/1.0 101 x")},
	{name: "no reason", in: agreement("HTTP", "HTTP/1.1 101 ")},
	{name: "no blank behind the status", in: agreement("HTTP", "HTTP/1.1 101")},
	{name: "other cases", in: agreement("Upgrade", "UPGRADE: WebSocket", "Connection", "connection: uPGRADE")},
	{name: "blanks", in: agreement("Upgrade", "Upgrade:websocket", "Connection", "Connection: \t Upgrade \t")},
	{name: "several tokens", in: agreement("Connection", "Connection: keep-alive, Upgrade")},
	{name: "several Connection", in: agreement("", "Connection: keep-alive")},
	{name: "other headers", in: agreement("", "Server: x", "", "X-Empty:", "", "Date: Thu, 01 Jan 1970 00:00:00 GMT")},
	{name: "subprotocol", in: agreement("", "Sec-WebSocket-Protocol: v2"), offered: "v2"},
	{name: "one of several", in: agreement("", "Sec-WebSocket-Protocol: v2"), offered: "v1, v2,v3"},
	{name: "none of several", in: agreement(), offered: "v1, v2"},

	{name: "503", in: agreement("HTTP", "HTTP/1.1 503 Service Unavailable"), want: "HTTP 503 Service Unavailable"},
	{name: "401 without reason", in: agreement("HTTP", "HTTP/1.1 401"), want: "HTTP 401"},
	{name: "200", in: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", want: "HTTP 200 OK"},
	{name: "no Upgrade", in: agreement("Upgrade", ""), want: `101 without "Upgrade: websocket"`},
	{name: "another Upgrade", in: agreement("Upgrade", "Upgrade: h2c"), want: `101 without "Upgrade: websocket"`},
	{name: "no Connection", in: agreement("Connection", ""), want: `101 without "Connection: upgrade"`},
	{name: "another Connection", in: agreement("Connection", "Connection: close, upgraded"), want: `101 without "Connection: upgrade"`},
	{name: "no accept", in: agreement("Sec-WebSocket-Accept", ""), want: "101 with a wrong Sec-WebSocket-Accept"},
	{name: "wrong accept", in: agreement("Sec-WebSocket-Accept", "Sec-WebSocket-Accept: "+theKey), want: "101 with a wrong Sec-WebSocket-Accept"},
	{name: "accept in another case", in: agreement("Sec-WebSocket-Accept", "Sec-WebSocket-Accept: "+strings.ToLower(theAccept)), want: "101 with a wrong Sec-WebSocket-Accept"},
	{name: "extension", in: agreement("", "Sec-WebSocket-Extensions: permessage-deflate"), want: `101 with an extension that was not offered: "permessage-deflate"`},
	{name: "subprotocol not offered", in: agreement("", "Sec-WebSocket-Protocol: v2"), want: `101 with a subprotocol that was not offered: "v2"`},
	{name: "another subprotocol", in: agreement("", "Sec-WebSocket-Protocol: V2"), offered: "v2", want: `101 with a subprotocol that was not offered: "V2"`},

	{name: "not HTTP", in: "SSH-2.0-OpenSSH_9.2\r\n\r\n", want: ErrNotHTTP.Error()},
	{name: "TLS", in: "\x15\x03\x01\x00\x02\x02\x0a\r\n\r\n", want: ErrNotHTTP.Error()},
	{name: "HTTP/2", in: "HTTP/2 101\r\n\r\n", want: ErrNotHTTP.Error()},
	{name: "no minor version", in: "HTTP/1.x 101 \r\n\r\n", want: ErrNotHTTP.Error()},
	{name: "status of two digits", in: "HTTP/1.1 99 no\r\n\r\n", want: ErrNotHTTP.Error()},
	{name: "status with a sign", in: "HTTP/1.1 +10 no\r\n\r\n", want: ErrNotHTTP.Error()},
	{name: "status of four digits", in: "HTTP/1.1 1010\r\n\r\n", want: ErrNotHTTP.Error()},
	{name: "no status", in: "HTTP/1.1\r\n\r\n", want: ErrNotHTTP.Error()},
	{name: "header without colon", in: agreement("", "nonsense"), want: ErrResponseHeader.Error()},
	{name: "header without name", in: agreement("", ": value"), want: ErrResponseHeader.Error()},
	{name: "header continued", in: agreement("", "X: a", "", " b"), want: ErrResponseHeader.Error()},
}

const testMaxHeader = 1000

// scan gives the bytes of a server in pieces of a size, as they come.
func scan(t testing.TB, in []byte, size int) (r UpgradeResponse, n int, err error) {
	t.Helper()
	for have := 0; ; {
		have = min(have+size, len(in))
		r, n, err = ScanResponse(in[:have:have], testMaxHeader)
		if n > have || n < 0 || n > 0 && err != nil {
			t.Fatalf("%d bytes: got %d, %v", have, n, err)
		}
		if n > 0 || err != nil || have == len(in) {
			return r, n, err
		}
	}
}

func TestScanResponse(t *testing.T) {
	t.Parallel()
	accept := AcceptOf(theNonce)
	for _, tt := range answers {
		behind := tt.in + "\x81\x02hi"
		for size := 1; size <= len(behind); size++ { // every way to cut it in equal pieces, whole included
			r, n, err := scan(t, []byte(behind), size)
			if err == nil {
				if end := strings.Index(tt.in, "\r\n\r\n") + 4; n != end {
					t.Fatalf("%s, pieces of %d: header of %d bytes, want %d", tt.name, size, n, end)
				}
				err = r.Check(accept, tt.offered)
			}
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Fatalf("%s, pieces of %d: got %q, want %q", tt.name, size, got, tt.want)
			}
			var he *HandshakeError
			if errors.As(err, &he) && he.Status != r.Status {
				t.Errorf("%s: status %d, want %d", tt.name, he.Status, r.Status)
			}
		}
	}
}

func TestScanResponseBounds(t *testing.T) {
	t.Parallel()
	fill := func(total int) []byte {
		frame := agreement("", "X: ")
		return []byte(agreement("", "X: "+strings.Repeat("x", total-len(frame))))
	}
	if _, n, err := ScanResponse(fill(testMaxHeader), testMaxHeader); n != testMaxHeader || err != nil {
		t.Errorf("at the bound: got %d, %v", n, err)
	}
	for _, in := range [][]byte{fill(testMaxHeader + 1), append([]byte("HTTP/1.1 101 "), bytes.Repeat([]byte("x"), 5000)...)} {
		if _, _, err := scan(t, in, 64); !errors.Is(err, ErrResponseTooBig) {
			t.Errorf("%d bytes: got %v, want %v", len(in), err, ErrResponseTooBig)
		}
	}
}

// However it comes in pieces, it is the same; nothing is taken before it is whole,
// and the bytes are not changed.
func FuzzScanResponse(f *testing.F) {
	for i, tt := range answers {
		f.Add([]byte(tt.in), uint16(1+i*7))
	}
	f.Add([]byte(""), uint16(1))
	f.Add([]byte("HTTP/1.1 101 \r\n\r\nHTTP/1.1 101 \r\n\r\n"), uint16(3))
	f.Fuzz(func(t *testing.T, in []byte, size uint16) {
		before := string(in)
		r, n, err := ScanResponse(in, testMaxHeader)
		r2, n2, err2 := scan(t, in, int(size)+1)
		if n != n2 || !errors.Is(err2, err) || r.Status != r2.Status || !bytes.Equal(r.Protocol, r2.Protocol) || r.Check([AcceptLen]byte{}, "") != nil && r2.Check([AcceptLen]byte{}, "") == nil {
			t.Fatalf("whole: %d %v, in pieces of %d: %d %v", n, err, size, n2, err2)
		}
		if string(in) != before {
			t.Fatal("the answer was changed")
		}
		if n > 0 && !strings.HasSuffix(before[:n], "\r\n\r\n") {
			t.Fatalf("the header ends with %q", before[:n])
		}
		for i := range min(len(in), n) {
			if _, m, err := ScanResponse(in[:i:i], testMaxHeader); m != 0 || err != nil {
				t.Fatalf("%d of %d bytes: got %d, %v", i, n, m, err)
			}
		}
	})
}
