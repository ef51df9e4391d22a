package codec

import (
	"bytes"
	"strings"
	"testing"
	"unsafe"

	"github.com/gobwas/ws"
)

// Text is refused within a frame whose end has not come, and within a character.
func TestDecodeFailsFast(t *testing.T) {
	t.Parallel()
	d := NewDecoder(DecoderOptions{})
	head := cframe{op: opText, declare: 500, mask: [4]byte{}}.append(nil)
	for name, bad := range map[string]string{"surrogate": "\xed\xa0", "over": "\xf4\x90", "overlong": "\xe0\x80", "continuation": "\x80", "c0": "\xc0"} {
		var p *Partial
		for i, c := range []byte(string(head) + "good" + bad) {
			last := i == len(head)+4+len(bad)-1
			in := []byte{c}
			if i < len(head) {
				if i != len(head)-1 {
					continue
				}
				in = bytes.Clone(head)
			}
			_, n, err := d.Next(&p, false, in)
			if last && err != ErrInvalidUTF8 {
				t.Errorf("%s: got %v after the byte that can not be", name, err)
			}
			if !last && (err != nil || n != len(in)) {
				t.Errorf("%s: byte %d: got %d %v", name, i, n, err)
			}
		}
		d.Release(&p)
	}
}

// What the second byte tells is not waited for longer.
func TestDecodeRefusesAtTheSecondByte(t *testing.T) {
	t.Parallel()
	d := NewDecoder(DecoderOptions{})
	for _, tt := range []struct {
		in  string
		err *CloseError
	}{
		{"\x81\x01", ErrUnmasked}, {"\x83\x80", ErrReservedOpcode}, {"\xc1\x80", ErrReservedBits}, {"\x82\xfe", ErrBinary},
		{"\x89\xfe", ErrControlTooLong}, {"\x09\x80", ErrControlFragmented}, {"\x80\x80", ErrOrphanContinuation},
		{"\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00", ErrLengthOverflow}, {"\x81\xff\x00\x00\x00\x00\x00\x01\x00\x01", ErrTooBig},
	} {
		var p *Partial
		if m, _, err := d.Next(&p, false, []byte(tt.in)); err != tt.err || m.Op != ws.OpContinuation || p != nil {
			t.Errorf("% x: got %v %v, want %v", tt.in, m, err, tt.err)
		}
	}
}

func TestDecoderDefaults(t *testing.T) {
	t.Parallel()
	d := NewDecoder(DecoderOptions{})
	s := strings.Repeat("x", DefaultMaxMessage)
	if got := feed(t, d, false, join(cframe{op: opText, payload: s}), 1<<20); !sameOutcome(got, texts(s)) {
		t.Error("a message of the default limit is refused")
	}
	if got := feed(t, d, false, join(cframe{op: opText, payload: s + "x"}), 1<<20); got.err != ErrTooBig {
		t.Errorf("got %v", got.err)
	}
	if n := unsafe.Sizeof(Partial{}); n != 56 {
		t.Errorf("Partial has %d bytes, want 56", n)
	}
}
