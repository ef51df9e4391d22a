package codec

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// Every byte of the mask at every offset, length and split.
func TestDecodeMaskOffsets(t *testing.T) {
	t.Parallel()
	d := NewDecoder(DecoderOptions{Binary: true})
	payload := make([]byte, 70)
	for i := range payload {
		payload[i] = byte(i*7 + 1)
	}
	for n := range len(payload) + 1 {
		for shift := range 4 {
			mask := [4]byte{byte(1 + shift), 0x80, 0xff, byte(shift * 50)}
			b := cframe{op: opBin, payload: string(payload[:n]), mask: mask}.append(nil)
			for split := 1; split <= len(b); split++ {
				got := feed(t, d, false, b, split, 3)
				if len(got.msgs) != 1 || got.msgs[0] != "binary:"+string(payload[:n]) {
					t.Fatalf("%d bytes, mask % x, split %d: got %v", n, mask, split, got)
				}
			}
		}
	}
}

// The sizes around every change of the header, at every place of the frame in
// memory, whole and in pieces that end around the header, in one frame and in two.
func TestDecodeSizes(t *testing.T) {
	t.Parallel()
	d := NewDecoder(DecoderOptions{MaxMessage: 1 << 20})
	for _, size := range edgeSizes {
		s := strings.Repeat("sizes and edges ", size/16+1)[:size]
		one := cframe{op: opText, payload: s, mask: testMask}.append(nil)
		two := join(cframe{op: opText, more: true, payload: s[:size/2]}, cframe{op: opPing}, cframe{op: opCont, payload: s[size/2:]})
		for shift := range 8 {
			var p *Partial
			b := append(make([]byte, shift, shift+len(one)), one...)
			if m, n, err := d.Next(&p, false, b[shift:]); err != nil || n != len(one) || m.Op != ws.OpText || string(m.Payload) != s || p != nil {
				t.Errorf("size %d, %d bytes into the buffer: got %v of %d bytes, %d used, %v", size, shift, m.Op, len(m.Payload), n, err)
			}
		}
		firsts := []int{1, 2, 3, 4, 5, 8, 9, 10, 13, 14, 15, 16, 17, len(one) - 1, len(one)}
		if size > 100_000 {
			firsts = []int{13, 14, 15} // the header is that of 65536 bytes
		}
		for _, first := range firsts {
			if got := feed(t, d, false, one, first, 4096, 65536, 7); !sameOutcome(got, texts(s)) {
				t.Errorf("size %d, first %d bytes: got %.100v", size, first, got)
			}
			if got := feed(t, d, false, two, first, 4096, 65536, 7); !sameOutcome(got, outcome{msgs: []string{"ping:", "text:" + s}}) {
				t.Errorf("size %d in two fragments, first %d bytes: got %.100v", size, first, got)
			}
		}
		// The limit right there: met, and missed by one, on either way.
		for _, in := range [][]byte{one, two} {
			if size == 0 {
				break // no limit at all: the default
			}
			if got := feed(t, NewDecoder(DecoderOptions{MaxMessage: size}), false, in, len(in)); got.err != nil {
				t.Errorf("size %d is the limit: got %v", size, got.err)
			}
			if size == 1 {
				break
			}
			for _, piece := range []int{len(in), 1000, 1 + size/3} {
				if got := feed(t, NewDecoder(DecoderOptions{MaxMessage: size - 1}), false, in, piece); got.err != ErrTooBig {
					t.Errorf("size %d is one over the limit, pieces of %d: got %v", size, piece, got.err)
				}
			}
		}
	}
}

// A large message in fragments and pieces: right, in linear copying, and never
// more than about twice the bytes that have arrived.
func TestDecodeLargeInPieces(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	d := NewDecoder(DecoderOptions{MaxMessage: size})
	text := strings.Repeat("0123456789abcde\n", size/16)
	for _, frag := range []int{100, 4096, 70_000, size} {
		var fs []cframe
		for i := 0; i < size; i += frag {
			op := byte(opCont)
			if i == 0 {
				op = opText
			}
			end := min(i+frag, size)
			fs = append(fs, cframe{op: op, more: end < size, payload: text[i:end]})
		}
		in := join(fs...)
		for _, piece := range []int{997, 64 << 10} {
			var p *Partial
			grown, last := 0, 0
			var got string
			rest := bytes.Clone(in)
			for off := 0; off < len(rest); {
				m, n, err := d.Next(&p, false, rest[off:min(off+piece, len(rest))])
				if err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					piece++ // a header on the edge: show more
					continue
				}
				off += n
				if p != nil {
					if c := cap(p.buf); c != last {
						grown++
						last = c
						if c > upFront && c > 2*len(p.buf)+minPooled {
							t.Fatalf("buffer of %d for %d bytes", c, len(p.buf))
						}
					}
				}
				if m.Op == ws.OpText {
					got = string(m.Payload)
				}
			}
			if got != text {
				t.Errorf("fragments of %d: wrong message of %d bytes", frag, len(got))
			}
			if grown > 20 {
				t.Errorf("fragments of %d: grew %d times", frag, grown)
			}
		}
	}
}

const minPooled = 1 << minClassBits

// A declared length reserves nothing much before its bytes are there.
func TestDecodeDeclarationReservesLittle(t *testing.T) {
	t.Parallel()
	d := NewDecoder(DecoderOptions{MaxMessage: 1 << 30})
	var p *Partial
	in := cframe{op: opText, declare: 1 << 30, mask: testMask}.append(nil)
	if _, n, err := d.Next(&p, false, bytes.Clone(in)); n != len(in) || err != nil {
		t.Fatalf("got %d %v", n, err)
	}
	if p == nil || p.buf != nil {
		t.Fatalf("header alone: got %+v, want no buffer", p)
	}
	if _, n, err := d.Next(&p, false, []byte("x")); n != 1 || err != nil {
		t.Fatalf("got %d %v", n, err)
	}
	if cap(p.buf) > upFront {
		t.Errorf("one byte: buffer of %d, want at most %d", cap(p.buf), upFront)
	}
	d.Release(&p)
	d.Release(&p) // twice is fine
}
