package codec

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// fromServer makes of what a client sends the same from a server: without masks.
func fromServer(in []byte) (out []byte, ok bool) {
	for len(in) > 0 {
		if len(in) < 2 || in[1]&bitMask == 0 {
			return nil, false
		}
		at, size := 2, uint64(in[1]&^bitMask)
		switch size {
		case len16:
			at += 2
		case len64:
			at += 8
		}
		if len(in) < at+4 {
			return nil, false
		}
		if at > 2 {
			size = 0
			for _, b := range in[2:at] {
				size = size<<8 | uint64(b)
			}
		}
		mask := [4]byte(in[at : at+4])
		n := min(size, uint64(len(in)-at-4))
		payload := bytes.Clone(in[at+4 : at+4+int(n)])
		ws.Cipher(payload, mask, 0)
		out = append(append(append(out, in[0], in[1]&^bitMask), in[2:at]...), payload...)
		in = in[at+4+int(n):]
	}
	return out, true
}

func serverDecoder(binary bool) *Decoder {
	return NewDecoder(DecoderOptions{MaxMessage: testLimit, Binary: binary, Client: true})
}

// A client understands of a server what a server understands of a client, at every
// split.
func TestDecodeFromServer(t *testing.T) {
	t.Parallel()
	n := 0
	for _, c := range decodeCases() {
		in, ok := fromServer(c.in)
		if !ok {
			continue // the case is about masks
		}
		n++
		d := serverDecoder(c.binary)
		if got := feed(t, d, c.deflate, in, len(in)); !sameOutcome(got, c.want) {
			t.Fatalf("%s: got %v, want %v", c.name, got, c.want)
		}
		for _, sizes := range [][]int{{1}, {2}, {3}, {7}, {1, 100, 5}, {64}} {
			if got := feed(t, d, c.deflate, in, sizes...); !sameOutcome(got, c.want) {
				t.Fatalf("%s, pieces of %v: got %v, want %v", c.name, sizes, got, c.want)
			}
		}
		for i := 1; i < len(in); i++ {
			if got := feed(t, d, c.deflate, in, i, len(in)); !sameOutcome(got, c.want) {
				t.Fatalf("%s, split at %d of %d: got %v, want %v", c.name, i, len(in), got, c.want)
			}
		}
	}
	if n < 200 {
		t.Errorf("only %d cases", n)
	}
}

// A server must not mask, whatever it masks; that is known at the second byte.
func TestDecodeMaskedFromServer(t *testing.T) {
	t.Parallel()
	d := serverDecoder(true)
	for _, op := range []byte{opText, opBin, opClose, opPing, opPong, opCont} {
		for _, mask := range [][4]byte{{}, testMask} {
			in := cframe{op: op, payload: "x", mask: mask}.append(nil)
			var p *Partial
			if m, n, err := d.Next(&p, false, in[:2]); err != ErrMasked || m.Op != ws.OpContinuation || n != 0 {
				t.Errorf("opcode %d: got %v %d %v", op, m, n, err)
			}
		}
	}
	if got := feed(t, d, false, append(AppendFrame(nil, ws.OpText, []byte("a")), cframe{op: opText}.append(nil)...), 3); !sameOutcome(got, texts("a").then(ErrMasked)) {
		t.Errorf("got %v", got)
	}
}

// Nothing is written to the bytes of a server.
func TestDecodeFromServerOnlyReads(t *testing.T) {
	t.Parallel()
	d := serverDecoder(true)
	in := append(AppendFrame(nil, ws.OpText, []byte("payload")), AppendFrame(nil, ws.OpPing, []byte("ping"))...)
	before := string(in)
	var p *Partial
	for off := 0; off < len(in); {
		m, n, err := d.Next(&p, false, in[off:])
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		if &m.Payload[0] != &in[off+2] || cap(m.Payload) != len(m.Payload) {
			t.Errorf("%v: the payload is not where it was read", m.Op)
		}
		off += n
	}
	if string(in) != before {
		t.Error("the bytes were changed")
	}
}

// What AppendMasked writes a server reads, at every size around a change of the
// header, with any mask; it is behind what was there.
func TestAppendMasked(t *testing.T) {
	t.Parallel()
	d := NewDecoder(DecoderOptions{MaxMessage: 1 << 20, Binary: true})
	for _, size := range append([]int{0, 1, 2, 3, 4, 5}, edgeSizes...) {
		s := strings.Repeat("sizes and edges ", size/16+1)[:size]
		for _, key := range [][4]byte{{}, testMask, {0xff, 0xff, 0xff, 0xff}} {
			op, name := ws.OpText, "text:"
			if size%2 == 1 {
				op, name = ws.OpBinary, "binary:"
			}
			b := AppendMasked([]byte("before"), op, []byte(s), key)
			if string(b[:6]) != "before" {
				t.Fatal("what was there is gone")
			}
			if got := feed(t, d, false, b[6:], len(b)); len(got.msgs) != 1 || got.msgs[0] != name+s {
				t.Errorf("%d bytes, mask % x: got %.60v", size, key, got)
			}
			if key != ([4]byte{}) && size > 8 && bytes.Contains(b, []byte(s)) {
				t.Errorf("%d bytes are readable under mask % x", size, key)
			}
		}
	}
}

func FuzzDecodeFromServer(f *testing.F) {
	for i, c := range decodeCases() {
		if in, ok := fromServer(c.in); ok && i%7 == 0 {
			f.Add(in, c.deflate, c.binary, uint16(i*13))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, deflate, binary bool, seed uint16) {
		d := serverDecoder(binary)
		whole := feed(t, d, deflate, in, len(in))
		for _, sizes := range [][]int{{1}, {1 + int(seed&15), 1 + int(seed>>4&63), 1 + int(seed>>10)}} {
			if got := feed(t, d, deflate, in, sizes...); !sameOutcome(got, whole) {
				t.Fatalf("pieces of %v: got %v, whole: %v", sizes, got, whole)
			}
		}
		// The same of a client: masked, and read by a server.
		masked, rest := []byte(nil), in
		for len(rest) > 0 {
			n, ok := FrameLen(rest)
			if !ok || n > len(rest) || rest[1]&bitMask != 0 {
				return
			}
			size := n - 2
			at := 2
			if l := rest[1]; l == len16 {
				size, at = n-4, 4
			} else if l == len64 {
				size, at = n-10, 10
			}
			masked = append(append(masked, rest[0], rest[1]|bitMask), rest[2:at]...)
			masked = append(masked, testMask[:]...)
			from := len(masked)
			masked = append(masked, rest[at:at+size]...)
			ws.Cipher(masked[from:], testMask, 0)
			rest = rest[n:]
		}
		server := NewDecoder(DecoderOptions{MaxMessage: testLimit, Binary: binary})
		if got := feed(t, server, deflate, masked, max(len(masked), 1)); !sameOutcome(got, whole) {
			t.Fatalf("a server reads %v, a client %v", got, whole)
		}
	})
}

func ExampleAppendMasked() {
	frame := AppendMasked(nil, ws.OpText, []byte("Hello"), [4]byte{0x37, 0xfa, 0x21, 0x3d})
	fmt.Printf("% x\n", frame) // RFC 6455 section 5.7
	// Output: 81 85 37 fa 21 3d 7f 9f 4d 51 58
}
