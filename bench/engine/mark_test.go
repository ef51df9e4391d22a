package engine

import (
	"bytes"
	"testing"

	"github.com/gobwas/ws"
)

var aMark = mark{scenario: 3, epoch: 2, stream: 0xdeadbeef, seq: 77, due: 1<<62 + 12345}

func TestMarkRoundTrip(t *testing.T) {
	t.Parallel()
	prefix := markPrefix(0xbe9c)
	b := aMark.append([]byte(`{"data":"`), prefix)
	if len(b) != len(`{"data":"`)+markLen {
		t.Fatalf("a mark of %d bytes", len(b))
	}
	b = append(b, `"}`...)
	m, at, is := findMark(b, prefix)
	if m != aMark || at != len(`{"data":"`) || is != wholeMark {
		t.Fatalf("got %+v at %d, %d", m, at, is)
	}
	if _, _, is := findMark(b, markPrefix(0xbe9d+0x01010101)); is != noMark {
		t.Error("the mark of another run was found")
	}
}

// Any byte of a mark, changed to anything, is noticed: where the prefix was hit
// the mark is read all the same, elsewhere nobody knows which it was.
func TestMarkNoticesEveryChangeOfAByte(t *testing.T) {
	t.Parallel()
	prefix := markPrefix(0xbe9c)
	whole := aMark.append([]byte("x "), prefix)
	for i := 2; i < len(whole); i++ {
		for c := range 256 {
			if byte(c) == whole[i] {
				continue
			}
			b := bytes.Clone(whole)
			b[i] = byte(c)
			m, _, is := findMark(b, prefix)
			want := damagedMark
			if i < 2+prefixLn {
				want = hitPrefix
			}
			if is != want || want == hitPrefix && m != aMark {
				t.Fatalf("byte %d is %q: got %+v, %d", i, rune(c), m, is)
			}
		}
	}
}

func TestMarkCutShort(t *testing.T) {
	t.Parallel()
	prefix := markPrefix(1)
	whole := aMark.append(nil, prefix)
	for n := range len(whole) {
		want := damagedMark
		if n < prefixLn {
			want = noMark
		}
		if _, _, is := findMark(whole[:n], prefix); is != want {
			t.Errorf("%d bytes: got %d, want %d", n, is, want)
		}
	}
}

func FuzzMark(f *testing.F) {
	f.Add(uint32(0), uint8(0), uint8(0), uint32(0), uint32(0), int64(0), []byte(""), []byte(""), uint16(0), byte(1))
	f.Add(uint32(0xbe9c), uint8(3), uint8(2), uint32(1<<32-1), uint32(5), int64(-1), []byte(`{"cb:`), []byte("cb:0000be9"), uint16(20), byte(0x20))
	f.Fuzz(func(t *testing.T, run uint32, scenario, epoch uint8, stream, seq uint32, due int64, before, after []byte, at uint16, flip byte) {
		prefix := markPrefix(run)
		if bytes.Contains(before, prefix) {
			return
		}
		want := mark{scenario, epoch, stream, seq, due}
		b := append(want.append(bytes.Clone(before), prefix), after...)
		m, found, is := findMark(b, prefix)
		if found != len(before) || is != wholeMark || m != want {
			t.Fatalf("got %+v at %d, %d, want %+v at %d", m, found, is, want, len(before))
		}
		i := len(before) + int(at)%markLen
		b[i] ^= flip
		if _, _, is := findMark(b, prefix); flip != 0 && is == wholeMark && !bytes.Contains(after, prefix) {
			t.Fatalf("byte %d of the mark changed by %#x: not noticed", int(at)%markLen, flip)
		}
		_, _, _ = findMark(after, prefix) // anything at all
	})
}

// A message is only known again when every byte is the same.
func TestAlike(t *testing.T) {
	t.Parallel()
	prefix := markPrefix(9)
	message := func(seq uint32) []byte {
		m := mark{seq: seq, stream: seq % 3}
		return append(m.append([]byte(`{"data":"`), prefix), `"}`...)
	}
	var a alike
	if _, ok := a.find(ws.OpText, message(0)); ok {
		t.Fatal("found before anything was kept")
	}
	for seq := range uint32(1000) {
		b := message(seq)
		if _, ok := a.find(ws.OpText, b); ok {
			t.Fatalf("message %d was found before it was kept", seq)
		}
		m, at, _ := findMark(b, prefix)
		a.keep(ws.OpText, b, m, at)
		got, ok := a.find(ws.OpText, bytes.Clone(b))
		if !ok || got != m {
			t.Fatalf("message %d: got %+v, %v", seq, got, ok)
		}
		if _, ok := a.find(ws.OpBinary, b); ok {
			t.Fatal("found with another opcode")
		}
		for i := range b {
			b[i] ^= 1
			if _, ok := a.find(ws.OpText, b); ok {
				t.Fatalf("found with byte %d changed", i)
			}
			b[i] ^= 1
		}
		if _, ok := a.find(ws.OpText, b[:len(b)-1]); ok {
			t.Fatal("found though it is shorter")
		}
	}
	long := append(message(5000), make([]byte, alikeMost)...)
	m, at, _ := findMark(long, prefix)
	a.keep(ws.OpText, long, m, at)
	if _, ok := a.find(ws.OpText, long); ok {
		t.Error("a message over the bound was kept")
	}
}
