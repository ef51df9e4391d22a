package codec

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

const testLimit = 1000

type decodeCase struct {
	name    string
	in      []byte
	deflate bool
	binary  bool
	want    outcome
}

func texts(s ...string) outcome {
	var o outcome
	for _, s := range s {
		o.msgs = append(o.msgs, "text:"+s)
	}
	return o
}

func (o outcome) then(err *CloseError) outcome { o.err = err; return o }

// decodeCases are the groups of the Autobahn suite at the level of bytes.
func decodeCases() []decodeCase {
	var cases []decodeCase
	add := func(name string, want outcome, fs ...cframe) {
		cases = append(cases, decodeCase{name: name, in: join(fs...), want: want})
	}
	addZ := func(name string, want outcome, fs ...cframe) {
		cases = append(cases, decodeCase{name: name, in: join(fs...), want: want, deflate: true})
	}
	rep := strings.Repeat

	// 1 Framing
	for _, n := range []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 20, 31, 32, 33, 125, 126, 127, 128, 255, 256, 999, 1000} {
		s := rep("*", n)
		add(fmt.Sprintf("1 text of %d", n), texts(s), cframe{op: opText, payload: s})
		cases = append(cases, decodeCase{name: fmt.Sprintf("1 binary of %d", n), binary: true,
			in: join(cframe{op: opBin, payload: rep("\xfe", n)}), want: outcome{msgs: []string{"binary:" + rep("\xfe", n)}}})
	}
	add("1 three messages", texts("a", "bb", "ccc"), cframe{op: opText, payload: "a"}, cframe{op: opText, payload: "bb"}, cframe{op: opText, payload: "ccc"})
	add("1 mask of zeros", texts("plain"), cframe{op: opPing, payload: ""}, cframe{op: opText, payload: "plain"})
	cases[len(cases)-1].want = outcome{msgs: []string{"ping:", "text:plain"}}
	add("1 length longer than needed, 16", texts("x"), cframe{op: opText, payload: "x", long: 16})
	add("1 length longer than needed, 64", texts("x"), cframe{op: opText, payload: "x", long: 64})
	add("1 empty, length in 64 bits", texts(""), cframe{op: opText, long: 64})
	add("1 no mask", outcome{err: ErrUnmasked}, cframe{op: opText, payload: "x", noMask: true})
	add("1 no mask on a ping", outcome{err: ErrUnmasked}, cframe{op: opPing, noMask: true})
	add("1 binary refused", texts("x").then(ErrBinary), cframe{op: opText, payload: "x"}, cframe{op: opBin, payload: "x"})
	add("1 binary refused at its header", outcome{err: ErrBinary}, cframe{op: opBin, payload: "", declare: 500})
	add("1 binary in fragments refused", outcome{err: ErrBinary}, cframe{op: opBin, more: true})
	add("1 first bit of length", outcome{err: ErrLengthOverflow}, cframe{op: opText, declare: 1 << 63})
	add("1 all bits of length", outcome{err: ErrLengthOverflow}, cframe{op: opText, declare: 1<<64 - 1})

	// 2 Pings and pongs
	add("2 ping empty", outcome{msgs: []string{"ping:"}}, cframe{op: opPing})
	add("2 ping of 125", outcome{msgs: []string{"ping:" + rep("\xfe", 125)}}, cframe{op: opPing, payload: rep("\xfe", 125)})
	add("2 ping of 126", outcome{err: ErrControlTooLong}, cframe{op: opPing, payload: rep("\xfe", 126)})
	add("2 ping of 5 in a 16-bit length", outcome{err: ErrControlTooLong}, cframe{op: opPing, payload: "12345", long: 16})
	add("2 ping of 64-bit length", outcome{err: ErrControlTooLong}, cframe{op: opPing, declare: 1 << 62})
	add("2 pong unasked", outcome{msgs: []string{"pong:x", "ping:y"}}, cframe{op: opPong, payload: "x"}, cframe{op: opPing, payload: "y"})
	ten, tenWant := []cframe{}, outcome{}
	for i := range 10 {
		ten = append(ten, cframe{op: opPing, payload: fmt.Sprint(i)})
		tenWant.msgs = append(tenWant.msgs, fmt.Sprint("ping:", i))
	}
	add("2 ten pings", tenWant, ten...)

	// 3 Reserved bits
	for rsv := byte(1); rsv < 8; rsv++ {
		for _, op := range []byte{opText, opBin, opClose, opPing, opPong} {
			name := fmt.Sprintf("3 rsv %d on %d", rsv, op)
			add(name, texts("a").then(ErrReservedBits), cframe{op: opText, payload: "a"}, cframe{op: op, rsv: rsv, payload: "b"})
			if rsv != 4 || op >= opClose {
				addZ(name+", deflate", texts("a").then(ErrReservedBits), cframe{op: opText, payload: "a"}, cframe{op: op, rsv: rsv, payload: "b"})
			}
		}
		addZ(fmt.Sprintf("3 rsv %d on a continuation", rsv), outcome{err: ErrReservedBits}, cframe{op: opText, more: true, payload: "a"}, cframe{op: opCont, rsv: rsv})
	}

	// 4 Opcodes
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		add(fmt.Sprintf("4 opcode %d", op), texts("a").then(ErrReservedOpcode), cframe{op: opText, payload: "a"}, cframe{op: op, payload: "b"}, cframe{op: opPing})
		add(fmt.Sprintf("4 opcode %d empty", op), outcome{err: ErrReservedOpcode}, cframe{op: op})
		add(fmt.Sprintf("4 opcode %d inside a message", op), outcome{err: ErrReservedOpcode}, cframe{op: opText, more: true}, cframe{op: op})
	}

	// 5 Fragmentation
	add("5 two fragments", texts("ab"), cframe{op: opText, more: true, payload: "a"}, cframe{op: opCont, payload: "b"})
	add("5 empty fragments", texts(""), cframe{op: opText, more: true}, cframe{op: opCont, more: true}, cframe{op: opCont})
	add("5 text in the middle one", texts("mid"), cframe{op: opText, more: true}, cframe{op: opCont, more: true, payload: "mid"}, cframe{op: opCont})
	add("5 text in the last one", texts("end"), cframe{op: opText, more: true}, cframe{op: opCont, payload: "end"})
	add("5 ping between", outcome{msgs: []string{"ping:p", "text:abc", "ping:q"}},
		cframe{op: opText, more: true, payload: "a"}, cframe{op: opPing, payload: "p"}, cframe{op: opCont, more: true, payload: "b"},
		cframe{op: opCont, payload: "c"}, cframe{op: opPing, payload: "q"})
	add("5 close between", outcome{msgs: []string{"close:\x03\xe8"}}, cframe{op: opText, more: true, payload: "a"}, cframe{op: opClose, payload: "\x03\xe8"})
	add("5 ping fragmented", outcome{err: ErrControlFragmented}, cframe{op: opPing, more: true, payload: "a"}, cframe{op: opCont, payload: "b"})
	add("5 pong fragmented", outcome{err: ErrControlFragmented}, cframe{op: opPong, more: true})
	add("5 close fragmented", outcome{err: ErrControlFragmented}, cframe{op: opClose, more: true})
	add("5 continuation of nothing", outcome{err: ErrOrphanContinuation}, cframe{op: opCont, payload: "a"})
	add("5 continuation of nothing, more", outcome{err: ErrOrphanContinuation}, cframe{op: opCont, more: true, payload: "a"})
	add("5 continuation after the end", texts("ab").then(ErrOrphanContinuation), cframe{op: opText, more: true, payload: "a"}, cframe{op: opCont, payload: "b"}, cframe{op: opCont, payload: "c"})
	add("5 text inside a message", outcome{err: ErrExpectedContinuation}, cframe{op: opText, more: true, payload: "a"}, cframe{op: opText, payload: "b"})
	add("5 binary inside a message", outcome{err: ErrExpectedContinuation}, cframe{op: opText, more: true, payload: "a"}, cframe{op: opBin, payload: "b"})
	add("5 text inside an empty message", outcome{err: ErrExpectedContinuation}, cframe{op: opText, more: true}, cframe{op: opText})
	add("5 two messages in fragments", texts("ab", "cd"), cframe{op: opText, more: true, payload: "a"}, cframe{op: opCont, payload: "b"}, cframe{op: opText, more: true, payload: "c"}, cframe{op: opCont, payload: "d"})
	add("5 long lengths", texts("abc"), cframe{op: opText, more: true, payload: "a", long: 64}, cframe{op: opCont, more: true, payload: "b", long: 16}, cframe{op: opCont, payload: "c"})
	single := []cframe{{op: opText, more: true, payload: "0"}}
	for i := 1; i < 50; i++ {
		single = append(single, cframe{op: opCont, more: i < 49, payload: fmt.Sprint(i % 10)})
	}
	add("5 fifty fragments of one byte", texts(rep("0123456789", 5)), single...)

	// 6 UTF-8
	for name, s := range goodUTF8 {
		add("6 good "+name, texts(s), cframe{op: opText, payload: s})
		var fs []cframe
		for i := range len(s) {
			fs = append(fs, cframe{op: opCont, more: true, payload: s[i : i+1]})
		}
		fs = append([]cframe{{op: opText, more: true}}, append(fs, cframe{op: opCont})...)
		add("6 good "+name+" in fragments of one byte", texts(s), fs...)
		addZ("6 good "+name+" compressed", texts(s), cframe{op: opText, rsv: 4, payload: stdDeflate(s)})
	}
	for name, s := range badUTF8 {
		add("6 bad "+name, outcome{err: ErrInvalidUTF8}, cframe{op: opText, payload: "ok" + s + "ok"})
		add("6 bad "+name+" in fragments", outcome{err: ErrInvalidUTF8}, cframe{op: opText, more: true, payload: "ok" + s[:1]}, cframe{op: opCont, payload: s[1:] + "ok"})
		addZ("6 bad "+name+" compressed", outcome{err: ErrInvalidUTF8}, cframe{op: opText, rsv: 4, payload: stdDeflate("ok" + s)})
		cases = append(cases, decodeCase{name: "6 binary " + name, binary: true, in: join(cframe{op: opBin, payload: s}), want: outcome{msgs: []string{"binary:" + s}}})
	}
	for _, s := range []string{"\xce", "\xe4\xb8", "\xf0\x9f\x98"} {
		add(fmt.Sprintf("6 ends within a character %x", s), outcome{err: ErrInvalidUTF8}, cframe{op: opText, payload: "a" + s})
		add(fmt.Sprintf("6 ends within a character %x, in fragments", s), outcome{err: ErrInvalidUTF8}, cframe{op: opText, more: true, payload: "a" + s}, cframe{op: opCont})
	}
	add("6 the next message does not go on with a character", texts("a").then(ErrInvalidUTF8), cframe{op: opText, payload: "a"}, cframe{op: opText, payload: "\x80"})
	add("6 ping inside a character", outcome{msgs: []string{"ping:\xff", "text:中"}}, cframe{op: opText, more: true, payload: "\xe4"}, cframe{op: opPing, payload: "\xff"}, cframe{op: opCont, payload: "\xb8\xad"})

	// 7 Close: the payload is ParseClose's matter.
	add("7 empty", outcome{msgs: []string{"close:"}}, cframe{op: opClose})
	add("7 one byte", outcome{msgs: []string{"close:a"}}, cframe{op: opClose, payload: "a"})
	add("7 with reason", outcome{msgs: []string{"close:\x03\xe8bye"}}, cframe{op: opClose, payload: "\x03\xe8bye"})
	add("7 125 bytes", outcome{msgs: []string{"close:\x03\xe8" + rep("x", 123)}}, cframe{op: opClose, payload: "\x03\xe8" + rep("x", 123)})
	add("7 126 bytes", outcome{err: ErrControlTooLong}, cframe{op: opClose, payload: "\x03\xe8" + rep("x", 124)})

	// 9 Limits
	add("9 at the limit", texts(rep("x", testLimit)), cframe{op: opText, payload: rep("x", testLimit)})
	add("9 over the limit", texts("a").then(ErrTooBig), cframe{op: opText, payload: "a"}, cframe{op: opText, payload: rep("x", testLimit+1)})
	add("9 declared over the limit, nothing sent", outcome{err: ErrTooBig}, cframe{op: opText, declare: testLimit + 1})
	add("9 declared 2^62", outcome{err: ErrTooBig}, cframe{op: opText, declare: 1 << 62})
	add("9 declared 2^63-1", outcome{err: ErrTooBig}, cframe{op: opText, declare: 1<<63 - 1})
	add("9 fragments at the limit", texts(rep("x", testLimit)), cframe{op: opText, more: true, payload: rep("x", testLimit-1)}, cframe{op: opCont, payload: "x"})
	add("9 fragments over the limit", outcome{err: ErrTooBig}, cframe{op: opText, more: true, payload: rep("x", testLimit)}, cframe{op: opCont, payload: "x"})
	add("9 fragments over the limit by a declaration", outcome{err: ErrTooBig}, cframe{op: opText, more: true, payload: "x"}, cframe{op: opCont, declare: 1<<63 - 1})
	// The limit is the message's: its compressed form may be longer by what deflate adds to
	// data that does not get smaller, and no more.
	full := rep("x", testLimit)
	addZ("9 at the limit, compressed to more", texts(full), cframe{op: opText, rsv: 4, payload: stored(full, testLimit)})
	addZ("9 at the limit, compressed to more in fragments", texts(full), cframe{op: opText, rsv: 4, more: true, payload: stored(full, testLimit)[:testLimit]},
		cframe{op: opCont, payload: stored(full, testLimit)[testLimit:]})
	addZ("9 at the limit, compressed to more in small blocks", texts(full), cframe{op: opText, rsv: 4, payload: stored(full, 40)})
	addZ("9 over the limit, stored", outcome{err: ErrTooBig}, cframe{op: opText, rsv: 4, payload: stored(full+"x", testLimit+1)})
	addZ("9 compressed to far more than the limit", outcome{err: ErrTooBig}, cframe{op: opText, rsv: 4, payload: stored(full, 10)})
	addZ("9 compressed, declared over the limit", outcome{err: ErrTooBig}, cframe{op: opText, rsv: 4, declare: 2 * testLimit})
	addZ("9 compressed, declared 2^63-1", outcome{err: ErrTooBig}, cframe{op: opText, rsv: 4, declare: 1<<63 - 1})
	addZ("9 not compressed, over the limit", outcome{err: ErrTooBig}, cframe{op: opText, payload: rep("x", testLimit+1)})
	addZ("9 not compressed, over the limit in fragments", outcome{err: ErrTooBig}, cframe{op: opText, more: true, payload: rep("x", testLimit)}, cframe{op: opCont, payload: "x"})
	addZ("9 fragments compressed to far more than the limit", outcome{err: ErrTooBig}, cframe{op: opText, rsv: 4, more: true, payload: stored(full, 10)[:testLimit]},
		cframe{op: opCont, payload: stored(full, 10)[testLimit:]})

	// 12, 13 permessage-deflate
	for _, s := range []string{"", "a", "hello", rep("ab", 499), rep("x", testLimit)} {
		for kind, z := range map[string]string{"": stdDeflate(s), " BFINAL": stdDeflateFinal(s)} {
			name := fmt.Sprintf("12 %d bytes%s", len(s), kind)
			addZ(name, texts(s), cframe{op: opText, rsv: 4, payload: z})
			half := len(z) / 2
			addZ(name+" in fragments", texts(s, s), cframe{op: opText, rsv: 4, more: true, payload: z[:half]}, cframe{op: opCont, payload: z[half:]},
				cframe{op: opText, rsv: 4, more: true}, cframe{op: opCont, payload: z})
		}
	}
	addZ("12 ping between", outcome{msgs: []string{"ping:p", "text:hello"}}, cframe{op: opText, rsv: 4, more: true, payload: stdDeflate("hello")[:3]}, cframe{op: opPing, payload: "p"}, cframe{op: opCont, payload: stdDeflate("hello")[3:]})
	addZ("12 plain and compressed in turn", texts("a", "b", "c"), cframe{op: opText, payload: "a"}, cframe{op: opText, rsv: 4, payload: stdDeflate("b")}, cframe{op: opText, payload: "c"})
	addZ("12 bomb", outcome{err: ErrTooBig}, cframe{op: opText, rsv: 4, payload: stdDeflate(rep("\x00", 600_000))})
	addZ("12 one over", outcome{err: ErrTooBig}, cframe{op: opText, rsv: 4, payload: stdDeflate(rep("\x00", testLimit+1))})
	addZ("12 nothing where a block should be", outcome{err: ErrBadDeflate}, cframe{op: opText, rsv: 4})
	addZ("12 reserved block type", outcome{err: ErrBadDeflate}, cframe{op: opText, rsv: 4, payload: "\xff\xff\xff"})
	addZ("12 damaged after a good one", texts("a").then(ErrBadDeflate), cframe{op: opText, rsv: 4, payload: stdDeflate("a")}, cframe{op: opText, rsv: 4, payload: "\x06\x00garbage"})
	addZ("12 several BFINAL blocks", texts("oneoneone"), cframe{op: opText, rsv: 4, payload: chop(stdDeflateFinal("one")) + chop(stdDeflateFinal("one")) + stdDeflate("one")})
	addZ("12 BFINAL without the last octet", texts("one"), cframe{op: opText, rsv: 4, payload: chop(stdDeflateFinal("one"))})
	addZ("12 stored blocks", texts("abcd"), cframe{op: opText, rsv: 4, payload: "\x00\x02\x00\xfd\xffab\x00\x02\x00\xfd\xffcd\x00"})
	return cases
}

// chop takes the octet after a BFINAL block off again.
func chop(s string) string { return s[:len(s)-1] }

func (c decodeCase) decoder() *Decoder {
	return NewDecoder(DecoderOptions{MaxMessage: testLimit, Binary: c.binary})
}

func TestDecode(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range decodeCases() {
		if seen[c.name] {
			t.Fatalf("two cases %q", c.name)
		}
		seen[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := c.decoder()
			if got := feed(t, d, c.deflate, c.in, len(c.in)); !sameOutcome(got, c.want) {
				t.Fatalf("whole: got %v, want %v", got, c.want)
			}
			for _, sizes := range [][]int{{1}, {2}, {3}, {7}, {1, 100, 5}, {64}} {
				if got := feed(t, d, c.deflate, c.in, sizes...); !sameOutcome(got, c.want) {
					t.Fatalf("pieces of %v: got %v, want %v", sizes, got, c.want)
				}
			}
			// Every split in two; with the same decoder, whose pools are warm.
			for i := 1; i < len(c.in); i++ {
				if got := feed(t, d, c.deflate, c.in, i, len(c.in)); !sameOutcome(got, c.want) {
					t.Fatalf("split at %d of %d: got %v, want %v", i, len(c.in), got, c.want)
				}
			}
		})
	}
}

// Every split of a small stream in three.
func TestDecodeEverySplitInThree(t *testing.T) {
	t.Parallel()
	in := join(cframe{op: opText, payload: "héllo"}, cframe{op: opText, more: true, payload: "a\xe4"}, cframe{op: opPing, payload: "p"},
		cframe{op: opCont, more: true}, cframe{op: opCont, payload: "\xb8\xadz"}, cframe{op: opText, rsv: 4, payload: stdDeflate("zip")},
		cframe{op: opClose, payload: "\x03\xe8bye"})
	want := outcome{msgs: []string{"text:héllo", "ping:p", "text:a中z", "text:zip", "close:\x03\xe8bye"}}
	d := NewDecoder(DecoderOptions{})
	for i := 1; i < len(in); i++ {
		for j := 1; j < len(in)-i; j++ {
			if got := feed(t, d, true, in, i, j, len(in)); !sameOutcome(got, want) {
				t.Fatalf("splits %d, %d: got %v", i, j, got)
			}
		}
	}
}

// A decoder serves many connections: their partial messages do not mix, and a
// payload is good until the next call.
func TestDecodeManyConnections(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	type conn struct {
		p    *Partial
		in   []byte
		want []string
	}
	d := NewDecoder(DecoderOptions{MaxMessage: 200_000})
	conns := make([]conn, 50)
	for i := range conns {
		for k := range 10 {
			s := strings.Repeat(string(rune('a'+i%26)), 1+rng.IntN(3000*(1+k*k/9)))
			cut := rng.IntN(len(s))
			switch rng.IntN(3) {
			case 0:
				conns[i].in = append(conns[i].in, join(cframe{op: opText, payload: s})...)
			case 1:
				conns[i].in = append(conns[i].in, join(cframe{op: opText, more: true, payload: s[:cut]}, cframe{op: opCont, payload: s[cut:]})...)
			case 2:
				conns[i].in = append(conns[i].in, join(cframe{op: opText, rsv: 4, payload: stdDeflate(s)})...)
			}
			conns[i].want = append(conns[i].want, s)
		}
	}
	for left := len(conns); left > 0; {
		c := &conns[rng.IntN(len(conns))]
		if len(c.in) == 0 {
			continue
		}
		in := c.in[:min(len(c.in), 1+rng.IntN(2000))]
		for len(in) > 0 {
			m, n, err := d.Next(&c.p, true, in)
			if err != nil {
				t.Fatal(err)
			}
			if m.Op == ws.OpText {
				if string(m.Payload) != c.want[0] {
					t.Fatalf("got %.20q of %d, want %.20q of %d", m.Payload, len(m.Payload), c.want[0], len(c.want[0]))
				}
				c.want = c.want[1:]
			}
			if n == 0 {
				break
			}
			in, c.in = in[n:], c.in[n:]
		}
		if len(c.in) == 0 {
			if c.p != nil || len(c.want) != 0 {
				t.Fatalf("at rest: partial %v, %d messages missing", c.p, len(c.want))
			}
			left--
		}
	}
}

// The payload of a whole frame lies in the bytes that were read.
func TestDecodeAliases(t *testing.T) {
	t.Parallel()
	d := NewDecoder(DecoderOptions{})
	in := join(cframe{op: opText, payload: "payload"}, cframe{op: opPing, payload: "ping"})
	var p *Partial
	for off := 0; off < len(in); {
		m, n, err := d.Next(&p, false, in[off:])
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		if &m.Payload[0] != &in[off+6] {
			t.Errorf("%v: payload was copied", m.Op)
		}
		if cap(m.Payload) != len(m.Payload) {
			t.Errorf("%v: an append would write over the next frame", m.Op)
		}
		off += n
	}
}

func FuzzDecode(f *testing.F) {
	for i, c := range decodeCases() {
		if i%5 == 0 || strings.HasPrefix(c.name, "12") || strings.HasPrefix(c.name, "5") {
			f.Add(c.in, c.deflate, c.binary, uint16(i*13))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, deflate, binary bool, seed uint16) {
		d := NewDecoder(DecoderOptions{MaxMessage: testLimit, Binary: binary})
		whole := feed(t, d, deflate, in, len(in))
		// The same decoder: pieces meet buffers that have been used.
		for _, sizes := range [][]int{{1}, {1 + int(seed&15), 1 + int(seed>>4&63), 1 + int(seed>>10)}} {
			if got := feed(t, d, deflate, in, sizes...); !sameOutcome(got, whole) {
				t.Fatalf("pieces of %v: got %v, whole: %v", sizes, got, whole)
			}
		}
		for _, m := range whole.msgs {
			if len(m) > testLimit+len("binary:") {
				t.Fatalf("message of %d bytes", len(m))
			}
			if strings.HasPrefix(m, "text:") && !strings.HasPrefix(strings.ToValidUTF8(m, "\xff"), m) {
				t.Fatalf("text is not utf-8: %q", m)
			}
		}
	})
}
