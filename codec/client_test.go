package codec

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/gobwas/ws"
)

// The client's side, written apart from the code under test.

var testMask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// cframe is a client frame with everything that can be wrong about it.
type cframe struct {
	op      byte
	more    bool // no FIN
	rsv     byte // 1 to 7: RSV1 is 4
	noMask  bool
	mask    [4]byte
	payload string
	long    int    // 16 or 64: write the length with that many bits
	declare uint64 // declared length when not that of payload
}

func (f cframe) append(b []byte) []byte {
	b0 := f.op | f.rsv<<4
	if !f.more {
		b0 |= 0x80
	}
	var m byte = 0x80
	if f.noMask {
		m = 0
	}
	n := uint64(len(f.payload))
	if f.declare != 0 {
		n = f.declare
	}
	switch {
	case f.long == 64 || n > math.MaxUint16:
		b = binary.BigEndian.AppendUint64(append(b, b0, m|127), n)
	case f.long == 16 || n > 125:
		b = binary.BigEndian.AppendUint16(append(b, b0, m|126), uint16(n))
	default:
		b = append(b, b0, m|byte(n))
	}
	if !f.noMask {
		b = append(b, f.mask[:]...)
	}
	for i := range len(f.payload) {
		c := f.payload[i]
		if !f.noMask {
			c ^= f.mask[i%4]
		}
		b = append(b, c)
	}
	return b
}

func join(fs ...cframe) []byte {
	var b []byte
	for i, f := range fs {
		if f.mask == [4]byte{} && i%2 == 0 {
			f.mask = testMask
		}
		b = f.append(b)
	}
	return b
}

const (
	opCont, opText, opBin, opClose, opPing, opPong = 0, 1, 2, 8, 9, 10
)

// outcome is what a client gets for its bytes: messages, an error, or bytes that wait.
type outcome struct {
	msgs []string // "text:payload"
	err  *CloseError
}

func (o outcome) String() string { return fmt.Sprintf("%.200q then %v", o.msgs, o.err) }

var opNames = map[ws.OpCode]string{ws.OpText: "text", ws.OpBinary: "binary", ws.OpClose: "close", ws.OpPing: "ping", ws.OpPong: "pong"}

// feed gives b to the decoder in pieces of at most the given sizes, in turn; what
// Next does not take is given again with the next piece, as a reactor does.
func feed(t testing.TB, d *Decoder, deflate bool, b []byte, sizes ...int) (o outcome) {
	t.Helper()
	var p *Partial
	defer func() {
		d.Release(&p)
		if p != nil {
			t.Error("Release left a Partial")
		}
	}()
	var held []byte
	for k := 0; len(b) > 0; k++ {
		size := min(max(sizes[k%len(sizes)], 1), len(b))
		// A copy of its own with no room behind, as Next writes to what it reads.
		in := append(bytes.Clone(held), b[:size]...)
		in = in[:len(in):len(in)]
		b = b[size:]
		for {
			m, n, err := d.Next(&p, deflate, in)
			if n < 0 || n > len(in) {
				t.Fatalf("took %d of %d bytes", n, len(in))
			}
			if err != nil {
				o.err = err
				return o
			}
			if m.Op != ws.OpContinuation {
				if n == 0 {
					t.Fatalf("message %v from no bytes", m)
				}
				o.msgs = append(o.msgs, opNames[m.Op]+":"+string(m.Payload))
			}
			in = in[n:]
			if n == 0 || len(in) == 0 {
				break
			}
		}
		if len(in) > MaxClientHold {
			t.Fatalf("%d bytes held, at most %d", len(in), MaxClientHold)
		}
		held = in
	}
	return o
}

func sameOutcome(a, b outcome) bool {
	if a.err != b.err || len(a.msgs) != len(b.msgs) {
		return false
	}
	for i := range a.msgs {
		if a.msgs[i] != b.msgs[i] {
			return false
		}
	}
	return true
}

// stdDeflate compresses with the standard library, not the one under test.
func stdDeflate(s string) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 6)
	if err != nil {
		panic(err)
	}
	io.WriteString(w, s)
	w.Flush()
	return string(bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff}))
}

// stored is deflate data of uncompressed blocks, at most size bytes in each, as a client
// with compression level 0 sends it.
func stored(s string, size int) string {
	var b []byte
	for len(s) > 0 {
		n := min(size, len(s))
		b = binary.LittleEndian.AppendUint16(append(b, 0), uint16(n))
		b = binary.LittleEndian.AppendUint16(b, ^uint16(n))
		b = append(b, s[:n]...)
		s = s[n:]
	}
	return string(append(b, 0))
}

// stdDeflateFinal ends with a BFINAL block and the octet RFC 7692 7.2.3.4 asks for.
func stdDeflateFinal(s string) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 6)
	if err != nil {
		panic(err)
	}
	io.WriteString(w, s)
	w.Close()
	return b.String() + "\x00"
}

func newStdInflate(b []byte) io.Reader {
	return flate.NewReader(io.MultiReader(bytes.NewReader(b), bytes.NewReader([]byte("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))))
}
