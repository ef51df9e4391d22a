package codec

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// A beginning of a request is incomplete or has the very answer of the whole,
// at every length and under every limit; RequestPath says the same as ScanRequest.
func FuzzScanRequest(f *testing.F) {
	for i, row := range contractRows() {
		if len(row.in) < 1000 {
			f.Add([]byte(row.in), uint16(1+i*37%700))
		}
	}
	for _, s := range []string{"", "\r", "\r\n", "\r\n\r\n", "\r\nGET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\nHost: h\n\n", "GET / HTTP/1.1\r\n\r\n", "G", "\x16\x03\x01",
		"GET http://h?x HTTP/1.1\r\nHost:\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nA:\r\n b\r\n\r\n"} {
		f.Add([]byte(s), uint16(1))
		f.Add([]byte(s), uint16(100))
	}
	f.Fuzz(func(t *testing.T, b []byte, limit16 uint16) {
		limit := int(limit16)
		most := limit
		if limit == 0 {
			most = DefaultMaxHeader
		}
		before := string(b)
		r, n, rej := ScanRequest(b, limit)
		if n < 0 || n > len(b) || n > most || n > 0 && rej != nil {
			t.Fatalf("got %d %v for %d bytes, limit %d", n, rej, len(b), most)
		}
		if n == 0 && rej == nil && len(b) >= max(most, 3) {
			t.Fatalf("%d bytes wait for more, limit %d", len(b), most)
		}
		for i := range len(b) {
			_, n2, rej2 := ScanRequest(b[:i:i], limit)
			done := n2 > 0 || rej2 != nil
			if done && (n2 != n || rej2 != rej) || !done && n > 0 && i >= n {
				t.Fatalf("first %d of %d bytes: got %d %v, all of them: %d %v", i, len(b), n2, rej2, n, rej)
			}
			// Once there is a path it is the path.
			if path, ok := RequestPath(b[:i:i]); ok {
				if whole, ok := RequestPath(b); !ok || !bytes.Equal(path, whole) {
					t.Fatalf("first %d bytes: path %q, then %q %v", i, path, whole, ok)
				}
			}
		}
		if string(b) != before {
			t.Fatal("the request was changed")
		}
		path, ok := RequestPath(b)
		switch rej {
		case RejectNotHTTP, RejectRequestLine, RejectTarget, RejectHTTPVersion:
			if ok {
				t.Fatalf("path %q of a line that is refused: %v", path, rej)
			}
		}
		if n == 0 {
			return
		}
		if !ok || !bytes.Equal(path, r.Path) || len(path) == 0 {
			t.Fatalf("RequestPath got %q %v, want %q", path, ok, r.Path)
		}
		// What was read lies in the block, the block is what was used up, and no
		// field holds what could end a line.
		if !strings.HasSuffix(string(r.block), "\r\n\r\n") || !strings.HasSuffix(before[:n], string(r.block)) {
			t.Fatalf("block %q of %q", r.block, before[:n])
		}
		for _, v := range [][]byte{r.Method, r.Target, r.Path, r.Query, r.Host, r.Origin, r.Authorization, r.UserAgent} {
			if bytes.ContainsAny(v, "\r\n\x00") {
				t.Fatalf("control characters in %q", v)
			}
		}
		if got := string(r.Header("origin")); got != string(r.Origin) || (r.Header("ORIGIN") == nil) != (r.Origin == nil) {
			t.Fatalf("Origin %q, by name %q", r.Origin, got)
		}
		// Read again from its own bytes it is the same.
		r2, n2, rej2 := ScanRequest(bytes.Clone(r.block), limit)
		if rej2 != nil || n2 != len(r.block) || string(r2.Target) != string(r.Target) || string(r2.fields) != string(r.fields) {
			t.Fatalf("block %q: got %d %v", r.block, n2, rej2)
		}
	})
}

// A compacted text is what encoding/json makes of it, has the same value, and
// does not get shorter again.
func FuzzCompactJSON(f *testing.F) {
	for _, c := range envelopeCases {
		f.Add([]byte(c.in))
	}
	for _, s := range append(badJSON, notObjects...) {
		f.Add([]byte(s))
	}
	f.Add([]byte(" {\"a\\\" b\" : [ 1.50 , -1e3 ,\tnull ] ,\r\n\"\" : \"<&> \u2028 \xff\" } "))
	f.Fuzz(func(t *testing.T, src []byte) {
		before := string(src)
		got, err := CompactJSON([]byte("dst"), src)
		if string(src) != before {
			t.Fatal("the source was changed")
		}
		if err != nil {
			if string(got) != "dst" {
				t.Fatalf("%v, but dst is %q", err, got)
			}
			if err == ErrBadJSON && json.Valid(src) || err == ErrTooDeep && strings.Count(before, "[")+strings.Count(before, "{") <= MaxDepth {
				t.Fatalf("%q: %v", src, err)
			}
			return
		}
		got = bytes.TrimPrefix(got, []byte("dst"))
		var want bytes.Buffer
		if err := json.Compact(&want, src); err != nil {
			t.Fatalf("%q: accepted, encoding/json: %v", src, err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%q: got %q, encoding/json %q", src, got, want.Bytes())
		}
		if again, err := CompactJSON(nil, got); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%q, then %q %v", got, again, err)
		}
	})
}
