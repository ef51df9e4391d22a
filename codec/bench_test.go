package codec

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

var benchSizes = []struct {
	name string
	size int
}{{"32B", 32}, {"128B", 128}, {"4KiB", 4 << 10}, {"64KiB", 64 << 10}}

func benchText(size int) string {
	return strings.Repeat(`{"k":"value of some text","n":12345},`, size/36+1)[:size]
}

// A frame has to be restored before it is decoded again; a frame masked with
// zeros stays what it is, and costs Cipher the same.
func BenchmarkDecode(b *testing.B) {
	run := func(b *testing.B, in []byte, size, piece int, deflate bool) {
		b.Helper()
		d := NewDecoder(DecoderOptions{})
		var p *Partial
		b.ReportAllocs()
		b.SetBytes(int64(size))
		for b.Loop() {
			got := 0
			for off, end := 0, 0; off < len(in); {
				end = min(end+piece, len(in))
				for off < end {
					m, n, err := d.Next(&p, deflate, in[off:end])
					if err != nil {
						b.Fatal(err)
					}
					if n == 0 {
						break
					}
					off += n
					got += len(m.Payload)
				}
			}
			if got != size {
				b.Fatalf("got %d bytes of %d", got, size)
			}
		}
	}
	for _, s := range benchSizes {
		text := benchText(s.size)
		whole := cframe{op: opText, payload: text}.append(nil)
		b.Run("whole/"+s.name, func(b *testing.B) { run(b, whole, s.size, len(whole), false) })
	}
	for _, s := range benchSizes {
		whole := cframe{op: opText, payload: benchText(s.size)}.append(nil)
		b.Run("inTwoReads/"+s.name, func(b *testing.B) { run(b, whole, s.size, len(whole)/2+1, false) })
	}
	for _, s := range benchSizes {
		text := benchText(s.size)
		frag := append(cframe{op: opText, more: true, payload: text[:s.size/2]}.append(nil), cframe{op: opCont, payload: text[s.size/2:]}.append(nil)...)
		b.Run("fragments/"+s.name, func(b *testing.B) { run(b, frag, s.size, len(frag), false) })
	}
	for _, s := range benchSizes {
		z := cframe{op: opText, rsv: 4, payload: stdDeflate(benchText(s.size))}.append(nil)
		b.Run("compressed/"+s.name, func(b *testing.B) { run(b, z, s.size, len(z), true) })
	}
	chinese := cframe{op: opText, payload: strings.Repeat("连接", 683)}.append(nil)
	b.Run("whole/4KiB/chinese", func(b *testing.B) { run(b, chinese, 683*6, len(chinese), false) })
}

// From the bytes of a heartbeat to the bytes of its answer.
func BenchmarkHeartbeat(b *testing.B) {
	d := NewDecoder(DecoderOptions{})
	in := cframe{op: opText, payload: HeartbeatRequest}.append(nil)
	out := make([]byte, 0, 64)
	var p *Partial
	b.ReportAllocs()
	for b.Loop() {
		m, _, err := d.Next(&p, false, in)
		if err != nil || m.Op != ws.OpText || !IsHeartbeat(m.Payload) {
			b.Fatal(m, err)
		}
		out = append(out[:0], HeartbeatAck...)
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	for _, s := range benchSizes {
		b.Run(s.name, func(b *testing.B) {
			payload := []byte(benchText(s.size))
			dst := make([]byte, 0, FrameSize(s.size))
			b.ReportAllocs()
			b.SetBytes(int64(s.size))
			for b.Loop() {
				dst = AppendFrame(dst[:0], ws.OpText, payload)
			}
		})
	}
}

func BenchmarkAppendDeflated(b *testing.B) {
	for _, level := range []int{1, 6} {
		for _, s := range benchSizes {
			b.Run(fmt.Sprintf("level%d/%s", level, s.name), func(b *testing.B) {
				payload := []byte(benchText(s.size))
				var dst []byte
				b.ReportAllocs()
				b.SetBytes(int64(s.size))
				for b.Loop() {
					dst = AppendDeflated(dst[:0], ws.OpText, payload, level)
				}
			})
		}
	}
}

func BenchmarkParseEnvelope(b *testing.B) {
	for _, s := range benchSizes {
		head := `{"type":"BIZ","code":"CHAT_SEND","data":`
		body := "[" + strings.Repeat(`{"k":"value of some text","n":12345},`, s.size/36+1) + "{}]}"
		msg := []byte(head + body)
		if s.size == 32 {
			msg = []byte(`{"type":"BIZ","code":"CHAT_SEND"}`)
		}
		b.Run(s.name, func(b *testing.B) {
			var e Envelope
			b.ReportAllocs()
			b.SetBytes(int64(len(msg)))
			for b.Loop() {
				if err := ParseEnvelope(msg, &e); err != nil || e.Kind != KindBiz {
					b.Fatal(e.Kind, err)
				}
			}
		})
		b.Run(s.name+"/encodingjson", func(b *testing.B) { // for comparison
			b.ReportAllocs()
			b.SetBytes(int64(len(msg)))
			for b.Loop() {
				var e struct {
					Type, Code string
					Data       json.RawMessage
				}
				if err := json.Unmarshal(msg, &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// From the bytes of a request to the bytes of the 101.
func BenchmarkHandshake(b *testing.B) {
	origins, err := OriginMatcher([]string{"http://localhost:*", "https://*.example.org"})
	if err != nil {
		b.Fatal(err)
	}
	p := Policy{CheckOrigin: origins}
	in := []byte(upgradeRequest("/ws?token=Admin%40123", "Origin: https://a.example.org",
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "Cache-Control: no-cache", "Accept-Encoding: gzip, deflate, br",
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"))
	var buf [64]byte
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		r, _, rej := ScanRequest(in, 0)
		if rej == nil {
			rej = p.Check(&r)
		}
		if _, ok := r.Token(buf[:0]); !ok {
			b.Fatal("no token")
		}
		if rej == nil {
			rej = p.CheckUpgrade(&r)
		}
		if rej == nil {
			out, _, rej = p.Accept(out[:0], &r)
		}
		if rej != nil {
			b.Fatal(rej)
		}
	}
}
