//go:build !race

package codec

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// allocs fails unless f allocates want times at most, once everything is warm.
func allocs(t *testing.T, name string, want float64, f func()) {
	t.Helper()
	f()
	if got := testing.AllocsPerRun(1000, f); got > want {
		t.Errorf("%s: %v allocations, want at most %v", name, got, want)
	}
}

// None of the steps of a message in steady state allocates. Not parallel: AllocsPerRun counts everything.
func TestNoAllocations(t *testing.T) {
	text := strings.Repeat("x", 4096)
	frames := map[string][]byte{
		"heartbeat":   join(cframe{op: opText, payload: HeartbeatRequest}),
		"4 KiB":       join(cframe{op: opText, payload: text}),
		"ping":        join(cframe{op: opPing, payload: "p"}),
		"close":       join(cframe{op: opClose, payload: "\x03\xe8bye"}),
		"fragments":   join(cframe{op: opText, more: true, payload: text}, cframe{op: opPing}, cframe{op: opCont, payload: text}),
		"compressed":  join(cframe{op: opText, rsv: 4, payload: stdDeflate(text)}),
		"z fragments": join(cframe{op: opText, rsv: 4, more: true, payload: stdDeflate(text)[:5]}, cframe{op: opCont, payload: stdDeflate(text)[5:]}),
	}
	for name, frame := range frames {
		d := NewDecoder(DecoderOptions{})
		in := make([]byte, len(frame))
		for _, piece := range []int{len(frame), 200} {
			var p *Partial
			allocs(t, "decode "+name, 0, func() {
				copy(in, frame)
				for off, end := 0, 0; off < len(in); {
					end = min(end+piece, len(in))
					for off < end {
						_, n, err := d.Next(&p, true, in[off:end])
						if err != nil {
							t.Fatal(err)
						}
						if n == 0 {
							break
						}
						off += n
					}
				}
			})
		}
	}

	d := NewDecoder(DecoderOptions{})
	var p *Partial
	for name, in := range map[string][]byte{
		"protocol error":              []byte("\x81\x01x"),
		"declared over the limit":     cframe{op: opText, declare: DefaultMaxMessage + 1}.append(nil),
		"declared 2^63-1":             cframe{op: opText, declare: 1<<63 - 1}.append(nil),
		"compressed, declared 2^62":   cframe{op: opText, rsv: 4, declare: 1 << 62}.append(nil),
		"a header that is incomplete": []byte("\x81\xff\x00\x00"),
	} {
		allocs(t, name, 0, func() { d.Next(&p, true, in) })
		if p != nil {
			t.Errorf("%s: left a Partial", name)
		}
	}

	out := make([]byte, 0, 8192)
	payload := []byte(text)
	allocs(t, "AppendFrame", 0, func() { out = AppendFrame(out[:0], ws.OpText, payload) })
	allocs(t, "AppendClose", 0, func() { out = AppendClose(out[:0], CloseTooBig, ErrTooBig.Reason) })
	allocs(t, "AppendDeflated", 0, func() { out = AppendDeflated(out[:0], ws.OpText, payload, 6) })
	for size, want := range map[int]float64{0: 1, 60: 1, 128: 1, 300: 1, 324: 1, 325: 2, 4000: 2} {
		message := make([]byte, size)
		allocs(t, fmt.Sprintf("NewText of %d bytes", size), want, func() { NewText(message) })
	}

	heartbeat := []byte(HeartbeatRequest)
	biz := []byte(`{"type":"BIZ","code":"CHAT_SEND","data":{"to":"10002","content":"hello","time":"2026-11-24T08:00:00Z"}}`)
	escaped := []byte(`{"typ\u0065":"B\u0049Z","code":"CHAT\u005fSEND","data":[{}]}`)
	var e Envelope
	allocs(t, "IsHeartbeat", 0, func() {
		if !IsHeartbeat(heartbeat) {
			t.Fatal()
		}
	})
	for _, msg := range [][]byte{heartbeat, biz, escaped, []byte("{bad"), bytes.Repeat([]byte("["), 2*MaxDepth)} {
		allocs(t, fmt.Sprintf("ParseEnvelope %.20s", msg), 0, func() { _ = ParseEnvelope(msg, &e) })
	}
	allocs(t, "AppendEnvelope", 0, func() { out = AppendEnvelope(out[:0], "BIZ", "NOTICE_PUSH", biz) })
	allocs(t, "CompactJSON", 0, func() { out, _ = CompactJSON(out[:0], biz) })

	req := []byte(upgradeRequest("/ws?token=Admin%40123", "Origin: https://a.example.org", "Connection: keep-alive"))
	origins, err := OriginMatcher([]string{"http://localhost:*", "https://*.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	policy := Policy{CheckOrigin: origins}
	buf := make([]byte, 0, 64)
	allocs(t, "request, up to the 101", 1, func() { // the Request escapes into CheckOrigin
		r, n, rej := ScanRequest(req, 0)
		if n != len(req) || rej != nil || policy.Check(&r) != nil {
			t.Fatal(n, rej)
		}
		if tok, ok := r.Token(buf); !ok || len(tok) != 9 {
			t.Fatal(tok)
		}
		if rej := policy.CheckUpgrade(&r); rej != nil {
			t.Fatal(rej)
		}
	})
	allocs(t, "Rejection.Append", 0, func() { out = RejectUnauthorized.Append(out[:0], nil) })
}
