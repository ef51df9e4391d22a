package codec

import (
	"bytes"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// edgeSizes are the payload sizes around every change of the header.
var edgeSizes = []int{0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537, 1 << 20}

func TestHeaderAgainstGobwas(t *testing.T) {
	t.Parallel()
	for _, size := range append([]int{math.MaxInt32, math.MaxInt - MaxServerHeader}, edgeSizes...) {
		for _, op := range []ws.OpCode{ws.OpContinuation, ws.OpText, ws.OpBinary, ws.OpClose, ws.OpPing, ws.OpPong} {
			for bits := range 4 {
				fin, rsv1 := bits&1 != 0, bits&2 != 0
				b := AppendHeader(nil, op, fin, rsv1, size)
				h, err := ws.ReadHeader(bytes.NewReader(b))
				if err != nil {
					t.Fatal(err)
				}
				if h.OpCode != op || h.Fin != fin || h.Rsv1() != rsv1 || h.Rsv2() || h.Rsv3() || h.Masked || h.Length != int64(size) {
					t.Errorf("%v %v %v %d: got %+v", op, fin, rsv1, size, h)
				}
				if want := FrameSize(size); len(b)+size != want || len(b) > MaxServerHeader {
					t.Errorf("size %d: header of %d bytes, FrameSize %d", size, len(b), want)
				}
				for i := range len(b) {
					if n, ok := FrameLen(b[:i]); ok {
						t.Errorf("size %d: FrameLen of %d header bytes: got %d, want not ok", size, i, n)
					}
				}
				if n, ok := FrameLen(b); !ok || n != FrameSize(size) {
					t.Errorf("size %d: FrameLen got %d %v", size, n, ok)
				}
			}
		}
	}
	if n, ok := FrameLen([]byte{0x81, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}); ok {
		t.Errorf("length beyond int: got %d", n)
	}
}

func TestFrameLenWalks(t *testing.T) {
	t.Parallel()
	var b []byte
	for _, size := range edgeSizes {
		b = AppendFrame(b, ws.OpText, make([]byte, size))
	}
	for _, size := range edgeSizes {
		n, ok := FrameLen(b)
		if !ok || n != FrameSize(size) {
			t.Fatalf("got %d %v, want %d", n, ok, FrameSize(size))
		}
		b = b[n:]
	}
	if len(b) != 0 {
		t.Errorf("%d bytes left", len(b))
	}
}

func TestHeartbeatAckBytes(t *testing.T) {
	t.Parallel()
	if got, want := string(HeartbeatAck), "\x81\x18"+`{"type":"HEARTBEAT_ACK"}`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFrame(t *testing.T) {
	t.Parallel()
	for _, size := range edgeSizes {
		payload := bytes.Repeat([]byte("k"), size)
		f := NewText(payload)
		if size > 0 {
			payload[0] = 'X'
		}
		want := strings.Repeat("k", size)
		if string(f.Payload()) != want || !bytes.Equal(f.Plain(), AppendFrame(nil, ws.OpText, []byte(want))) {
			t.Errorf("size %d: wrong bytes", size)
		}
		if f.Deflated() != nil {
			t.Errorf("size %d: compressed before it was asked for", size)
		}
		if g := NewTextString(want); !bytes.Equal(g.Plain(), f.Plain()) {
			t.Errorf("size %d: NewTextString differs", size)
		}
	}
}

func TestFrameCompress(t *testing.T) {
	t.Parallel()
	text := strings.Repeat(`{"type":"BIZ","code":"NOTICE_PUSH"}`, 20)
	for level := -3; level <= 11; level++ {
		f := NewTextString(text)
		f.Compress(level, 100)
		if f.Deflated() == nil || len(f.Deflated()) >= len(f.Plain()) {
			t.Fatalf("level %d: not compressed", level)
		}
		if got := inflateFrame(t, f.Deflated()); got != text {
			t.Errorf("level %d: got %q", level, got)
		}
	}
	f := NewTextString(text)
	f.Compress(6, len(text)+1)
	if f.Deflated() != nil {
		t.Error("compressed although it is below the minimum")
	}
	f.Compress(6, len(text))
	if f.Deflated() == nil {
		t.Error("not compressed at the minimum")
	}
	// Nothing to gain.
	for _, s := range []string{"", "a", "qwertz", HeartbeatRequest} {
		f := NewTextString(s)
		f.Compress(9, 0)
		if f.Deflated() != nil {
			t.Errorf("%q: compressed to %d bytes from %d", s, len(f.Deflated()), len(f.Plain()))
		}
	}
}

// inflateFrame is an independent reading of a compressed frame.
func inflateFrame(t *testing.T, b []byte) string {
	t.Helper()
	h, err := ws.ReadHeader(bytes.NewReader(b))
	if err != nil || !h.Fin || !h.Rsv1() || h.Masked {
		t.Fatalf("header %+v, %v", h, err)
	}
	r := newStdInflate(b[len(b)-int(h.Length):])
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
