package server

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"carillon/codec"
	"carillon/server/config"
)

// The tests of this file run over real sockets against echo mode. Their tables
// follow the groups of the Autobahn test suite, whose case numbers are named.

func startEcho(t testing.TB, edit ...func(*config.Config)) *running {
	t.Helper()
	return start(t, func(cfg *config.Config) {
		cfg.WebSocket.Echo = true
		cfg.WebSocket.MaxMessageBytes = 16 << 20
		cfg.WebSocket.MaxOutboundBytes = 16 << 20
		for _, f := range edit {
			f(cfg)
		}
	})
}

func dialEcho(t testing.TB, r *running, lines ...string) *rawConn {
	t.Helper()
	c := dialRaw(t, r)
	c.send(request("/ws", lines...))
	if res, body := c.response(); res.StatusCode != 101 {
		t.Fatalf("handshake: %s %s", res.Status, body)
	}
	return c
}

// chop writes b in pieces of n bytes.
func (c *rawConn) chop(b []byte, n int) {
	c.t.Helper()
	for piece := range slices.Chunk(b, n) {
		if _, err := c.Write(piece); err != nil {
			c.t.Fatalf("write: %v", err)
		}
	}
}

// pour is chop beside the test, which reads meanwhile. The server may close
// before it has read all: what arrived is judged by what it answers.
func (c *rawConn) pour(b []byte, n int) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for piece := range slices.Chunk(b, n) {
			if _, err := c.Write(piece); err != nil {
				return
			}
		}
	}()
	c.t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
}

// expectFault reads the close frame of exactly this fault: another one with the
// same code would only show that the server lost its place in the stream.
func (c *rawConn) expectFault(want *codec.CloseError) {
	c.t.Helper()
	c.expectClose(int(want.Code), want.Reason)
}

// whole, as the size of pieces, is one write.
const whole = 1 << 30

const (
	headText   = finBit | byte(ws.OpText)
	headBinary = finBit | byte(ws.OpBinary)
	headPing   = finBit | byte(ws.OpPing)
	headPong   = finBit | byte(ws.OpPong)
	headClose  = finBit | byte(ws.OpClose)
)

// sample returns n bytes of text.
func sample(n int) []byte { return bytes.Repeat([]byte("*-x"), n/3+1)[:n] }

// payloadOf returns n bytes that may be sent with head: text, or anything but.
func payloadOf(head byte, n int) []byte {
	if head&0x0f == byte(ws.OpText) {
		return sample(n)
	}
	return bytes.Repeat([]byte{0xfe, 0x00, 0xff}, n/3+1)[:n]
}

// TestFraming is 1.1.1 to 1.2.8, text and binary of every length whose header
// has another form, in one write, in pieces of 997 bytes and in single bytes;
// 9.1.1 to 9.2.6, 64 KiB to 16 MiB whole; 9.5.1 to 9.6.6, 1 MiB in pieces.
func TestFraming(t *testing.T) {
	r := startEcho(t)
	type row struct {
		size   int
		pieces []int
	}
	var rows []row
	for _, n := range []int{0, 125, 126, 127, 128, 65535, 65536} { // 1.1, 1.2
		rows = append(rows, row{n, []int{whole, 997, 1}})
	}
	for _, n := range []int{256 << 10, 1 << 20, 4 << 20, 8 << 20, 16 << 20} { // 9.1, 9.2
		rows = append(rows, row{n, []int{whole}})
	}
	rows = append(rows, row{1 << 20, []int{64, 128, 256, 512, 1024, 2048}}) // 9.5, 9.6
	for _, row := range rows {
		for _, head := range []byte{headText, headBinary} {
			for _, piece := range row.pieces {
				t.Run(fmt.Sprintf("%#x/%d/%d", head, row.size, piece), func(t *testing.T) {
					t.Parallel()
					c := dialEcho(t, r)
					payload := payloadOf(head, row.size)
					c.pour(appendMasked(nil, head, payload), piece)
					c.expectFrame(head, payload)
				})
			}
		}
	}
}

// TestRoundTrips is 9.7.1 to 9.8.6: message by message, each way.
func TestRoundTrips(t *testing.T) {
	r := startEcho(t)
	for _, n := range []int{0, 16, 64, 256, 1024, 4096} {
		for _, head := range []byte{headText, headBinary} {
			t.Run(fmt.Sprintf("%#x/%d", head, n), func(t *testing.T) {
				t.Parallel()
				c := dialEcho(t, r)
				payload := payloadOf(head, n)
				frame := appendMasked(nil, head, payload)
				for range 1000 {
					c.send(string(frame))
					c.expectFrame(head, payload)
				}
			})
		}
	}
}

// TestPings is group 2.
func TestPings(t *testing.T) {
	r := startEcho(t)
	c := dialEcho(t, r)
	for _, p := range [][]byte{nil, []byte("Hello"), {0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff}, sample(125)} { // 2.1 to 2.4
		c.writeFrame(true, 0, ws.OpPing, p)
		c.expectFrame(headPong, p)
	}
	c.chop(appendMasked(nil, headPing, sample(125)), 1) // 2.6
	c.expectFrame(headPong, sample(125))
	c.writeFrame(true, 0, ws.OpPong, nil)               // 2.7
	c.writeFrame(true, 0, ws.OpPong, []byte("unasked")) // 2.8
	c.writeFrame(true, 0, ws.OpPing, []byte("asked"))   // 2.9
	c.expectFrame(headPong, []byte("asked"))
	var ten []byte // 2.10, 2.11
	for i := range 10 {
		ten = appendMasked(ten, headPing, fmt.Appendf(nil, "payload-%d", i))
	}
	for _, chop := range []int{len(ten), 1} {
		c.chop(ten, chop)
		for i := range 10 {
			c.expectFrame(headPong, fmt.Appendf(nil, "payload-%d", i))
		}
	}
	c.writeFrame(true, 0, ws.OpPing, sample(126)) // 2.5
	c.expectFault(codec.ErrControlTooLong)
}

// TestReservedBitsAndOpcodes is 3.1 to 4.2.5: what was sent before the fault is
// echoed, nothing after it, whether the frame has a payload or not. Where
// permessage-deflate was agreed to, RSV1 is a fault but on the first frame of a
// data message (RFC 7692 §6).
func TestReservedBitsAndOpcodes(t *testing.T) {
	r := startEcho(t, func(cfg *config.Config) { cfg.WebSocket.Compression = true })
	type fault struct {
		name string
		head byte
		want *codec.CloseError
	}
	var plain, deflated []fault
	for rsv := byte(1); rsv < 8; rsv++ { // 3
		for _, op := range []ws.OpCode{ws.OpContinuation, ws.OpText, ws.OpBinary, ws.OpClose, ws.OpPing, ws.OpPong} {
			f := fault{fmt.Sprintf("rsv %d op %d", rsv, op), finBit | rsv<<4 | byte(op), codec.ErrReservedBits}
			plain = append(plain, f)
			if rsv != 4 || op != ws.OpText && op != ws.OpBinary {
				deflated = append(deflated, f)
			}
		}
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} { // 4
		f := fault{fmt.Sprintf("opcode %d", op), finBit | op, codec.ErrReservedOpcode}
		plain, deflated = append(plain, f), append(deflated, f)
	}
	check := func(name string, f fault, lines ...string) {
		for _, payload := range []string{"", "Hello, world!"} {
			for _, piece := range []int{whole, 1} {
				t.Run(fmt.Sprintf("%s/%s/%d/%d", name, f.name, len(payload), piece), func(t *testing.T) {
					t.Parallel()
					c := dialEcho(t, r, lines...)
					b := appendMasked(nil, headText, []byte("before"))
					if f.head&0x0f == byte(ws.OpContinuation) { // else it is a fault without RSV
						b = appendMasked(b, byte(ws.OpText), []byte("first"))
					}
					b = appendMasked(b, f.head, []byte(payload))
					b = appendMasked(b, headPing, nil)
					c.pour(b, piece)
					c.expectFrame(headText, []byte("before"))
					c.expectFault(f.want)
				})
			}
		}
	}
	for _, f := range plain {
		check("plain", f)
	}
	for _, f := range deflated {
		check("deflate", f, "Sec-WebSocket-Extensions: permessage-deflate")
	}
}

// step is one frame that is sent.
type step struct {
	head    byte
	payload string
}

// TestFragmentation is 5.1 to 5.20. Every case is sent in one write, frame by
// frame and byte by byte.
func TestFragmentation(t *testing.T) {
	r := startEcho(t)
	const text, bin, cont, last = byte(ws.OpText), byte(ws.OpBinary), byte(ws.OpContinuation), finBit | byte(ws.OpContinuation)
	cases := []struct {
		name  string
		send  []step
		want  []step
		fault *codec.CloseError // that ends it
	}{
		{"5.1 ping in fragments", []step{{byte(ws.OpPing), "a"}, {last, "b"}}, nil, codec.ErrControlFragmented},
		{"5.2 pong in fragments", []step{{byte(ws.OpPong), "a"}, {last, "b"}}, nil, codec.ErrControlFragmented},
		{"5.3-5.5 two fragments", []step{{text, "fragment1"}, {last, "fragment2"}}, []step{{headText, "fragment1fragment2"}}, nil},
		{"5.6-5.8 ping between", []step{{text, "fragment1"}, {headPing, "ping"}, {last, "fragment2"}}, []step{{headPong, "ping"}, {headText, "fragment1fragment2"}}, nil},
		{"5.9-5.11 continuation of nothing, last", []step{{last, "x"}, {headText, "y"}}, nil, codec.ErrOrphanContinuation},
		{"5.12-5.14 continuation of nothing", []step{{cont, "x"}, {headText, "y"}}, nil, codec.ErrOrphanContinuation},
		{"5.15 continuation after the end", []step{{text, "a"}, {last, "b"}, {cont, "c"}, {headText, "d"}}, []step{{headText, "ab"}}, codec.ErrOrphanContinuation},
		{"5.16 twice a continuation before the message", []step{{cont, "a"}, {text, "b"}, {last, "c"}, {cont, "a"}, {text, "b"}, {last, "c"}}, nil, codec.ErrOrphanContinuation},
		{"5.17 the same, last", []step{{last, "a"}, {text, "b"}, {last, "c"}, {last, "a"}, {text, "b"}, {last, "c"}}, nil, codec.ErrOrphanContinuation},
		{"5.18 text inside text", []step{{text, "a"}, {headText, "b"}}, nil, codec.ErrExpectedContinuation},
		{"5.18 binary inside text", []step{{text, "a"}, {headBinary, "b"}}, nil, codec.ErrExpectedContinuation},
		{"5.18 unfinished text inside text", []step{{text, "a"}, {text, "b"}, {last, "c"}}, nil, codec.ErrExpectedContinuation},
		{"5.20 five fragments with pings", []step{{text, "1"}, {cont, "2"}, {headPing, "p1"}, {cont, "3"}, {cont, "4"}, {headPing, "p2"}, {last, "5"}},
			[]step{{headPong, "p1"}, {headPong, "p2"}, {headText, "12345"}}, nil},
		{"empty fragments", []step{{text, ""}, {cont, ""}, {last, ""}}, []step{{headText, ""}}, nil},
		{"empty middle", []step{{bin, "a"}, {cont, ""}, {last, "\xff"}}, []step{{headBinary, "a\xff"}}, nil},
		{"one message after the other", []step{{text, "a"}, {last, "b"}, {bin, "c"}, {last, "d"}, {headText, "e"}},
			[]step{{headText, "ab"}, {headBinary, "cd"}, {headText, "e"}}, nil},
	}
	for _, tc := range cases {
		for _, mode := range []string{"whole", "frames", "bytes"} {
			t.Run(tc.name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				c := dialEcho(t, r)
				send := tc.send
				if tc.fault == nil {
					send = append(slices.Clone(send), step{headClose, string(closePayload(1000, ""))})
				}
				var all []byte
				for _, s := range send {
					frame := appendMasked(nil, s.head, []byte(s.payload))
					if mode == "frames" {
						if _, err := c.Write(frame); err != nil {
							break // refused before all of it was written
						}
					}
					all = append(all, frame...)
				}
				switch mode {
				case "whole":
					c.pour(all, whole)
				case "bytes":
					c.pour(all, 1)
				}
				for _, w := range tc.want {
					c.expectFrame(w.head, []byte(w.payload))
				}
				if tc.fault != nil {
					c.expectFault(tc.fault)
				} else {
					c.expectClose(1000, "")
				}
			})
		}
	}
	// 5.19: the pong does not wait for the message around it.
	t.Run("5.19 pongs come at once", func(t *testing.T) {
		t.Parallel()
		c := dialEcho(t, r)
		c.writeFrame(false, 0, ws.OpText, []byte("1"))
		c.writeFrame(false, 0, ws.OpContinuation, []byte("2"))
		c.writeFrame(true, 0, ws.OpPing, []byte("p1"))
		c.expectFrame(headPong, []byte("p1"))
		c.writeFrame(false, 0, ws.OpContinuation, []byte("3"))
		c.writeFrame(false, 0, ws.OpContinuation, []byte("4"))
		c.writeFrame(true, 0, ws.OpPing, []byte("p2"))
		c.expectFrame(headPong, []byte("p2"))
		c.writeFrame(true, 0, ws.OpContinuation, []byte("5"))
		c.expectFrame(headText, []byte("12345"))
	})
}

// utf8Cases are the texts of 6.1 to 6.23, in the order of the groups.
func utf8Cases() (valid, invalid []string) {
	const greek = "κόσμε"
	valid = []string{
		"",                              // 6.1
		"Hello-µ@ßöäüàá-UTF-8!!", greek, // 6.2
		"hello$world", "hello¢world", "hello€world", "hello\U00024b62world", // 6.5
		"\x00", "\u0080", "\u0800", "\U00010000", // 6.7
		"\x7f", "\u07ff", "\uffff", "\U0010ffff", // 6.9
		"\ud7ff", "\ue000", "\ufffd", // 6.11
		"\ufff9", "\ufffa", "\ufffb", "\ufffc", "\ufffe", // 6.23
		"\ufeff", "𠜎𠜱", // of our own
	}
	for plane := rune(1); plane <= 16; plane++ { // 6.22
		valid = append(valid, string(plane<<16|0xfffe), string(plane<<16|0xffff))
	}
	invalid = []string{
		greek + "\xed\xa0\x80edited",                       // 6.3
		"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", // 6.8
		"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf", // 6.10
		"\xf4\x90\x80\x80",                                                                                                 // 6.11.5
		"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf", "\x80\xbf\x80\xbf\x80", "\x80\xbf\x80\xbf\x80\xbf", // 6.12
		"\xfe", "\xff", "\xfe\xfe\xff\xff", // 6.16
		"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf", // 6.17
		"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf", // 6.18
		"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80", // 6.19
		"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf", // 6.20
		"\xe0 ", "\xf0 ", "\xf5\x80\x80\x80", // of our own
	}
	for n := 1; n < len(greek); n++ { // 6.6
		if utf8.RuneStart(greek[n]) {
			valid = append(valid, greek[:n])
		} else {
			invalid = append(invalid, greek[:n])
		}
	}
	var all []byte // 6.12.8
	for c := byte(0x80); c < 0xbf; c++ {
		all = append(all, c)
	}
	invalid = append(invalid, string(all))
	for _, starts := range [][2]byte{{0xc0, 0xdf}, {0xe0, 0xef}, {0xf0, 0xf7}, {0xf8, 0xfb}, {0xfc, 0xfd}} { // 6.13
		all = nil
		for c := starts[0]; c < starts[1]; c++ {
			all = append(all, c, ' ')
		}
		invalid = append(invalid, string(all))
	}
	cut := []string{"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
		"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf"}
	invalid = append(append(invalid, cut...), strings.Join(cut, ""))                                // 6.14, 6.15
	for _, high := range []string{"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf"} { // 6.21
		invalid = append(invalid, high+"\xed\xb0\x80", high+"\xed\xbf\xbf")
	}
	return valid, invalid
}

// textShapes returns s as a message: in one frame, cut in two at every byte, and
// with each byte in a frame of its own between empty ones (6.1.3, 6.2.3, 6.3.2).
func textShapes(s string) (shapes [][]byte) {
	const cont = byte(ws.OpContinuation)
	shapes = append(shapes, appendMasked(nil, headText, []byte(s)))
	for cut := range len(s) + 1 {
		b := appendMasked(nil, byte(ws.OpText), []byte(s[:cut]))
		shapes = append(shapes, appendMasked(b, finBit|cont, []byte(s[cut:])))
	}
	b := appendMasked(nil, byte(ws.OpText), nil)
	for i := range len(s) {
		b = appendMasked(b, cont, []byte(s[i:i+1]))
	}
	return append(shapes, appendMasked(b, finBit|cont, nil))
}

// TestUTF8 is 6.1.1 to 6.23.7.
func TestUTF8(t *testing.T) {
	r := startEcho(t)
	valid, invalid := utf8Cases()
	for i, s := range valid {
		t.Run(fmt.Sprintf("valid %d %+q", i, s), func(t *testing.T) {
			t.Parallel()
			c := dialEcho(t, r)
			for _, b := range textShapes(s) {
				for _, piece := range []int{whole, 1} {
					c.chop(b, piece)
					c.expectFrame(headText, []byte(s))
				}
			}
		})
	}
	for i, s := range invalid {
		t.Run(fmt.Sprintf("invalid %d %+.20q", i, s), func(t *testing.T) {
			t.Parallel()
			for j, b := range textShapes(s) {
				c := dialEcho(t, r)
				c.pour(b, []int{whole, 1, 3}[j%3])
				c.expectFault(codec.ErrInvalidUTF8)
				_ = c.Close()
			}
		})
	}
}

// TestUTF8FailsFast is 6.4.1 to 6.4.4: the close comes with the first byte that
// can not be text. The message is never completed, so there is nothing else to
// answer.
func TestUTF8FailsFast(t *testing.T) {
	r := startEcho(t)
	const good, bad, rest = "κόσμε", "\xf4\x90\x80\x80", "edited"
	for _, tc := range []struct {
		name   string
		parts  [2]string // the second one can not be text
		frames bool      // or pieces of one frame
	}{
		{"6.4.1 frames", [2]string{good, bad}, true},
		{"6.4.2 frames cut within the character", [2]string{good + bad[:1], bad[1:2]}, true},
		{"6.4.3 pieces", [2]string{good, bad}, false},
		{"6.4.4 pieces cut within the character", [2]string{good + bad[:1], bad[1:2]}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := dialEcho(t, r)
			if tc.frames {
				c.writeFrame(false, 0, ws.OpText, []byte(tc.parts[0]))
				c.writeFrame(true, 0, ws.OpPing, []byte("still open"))
				c.expectFrame(headPong, []byte("still open"))
				c.writeFrame(false, 0, ws.OpContinuation, []byte(tc.parts[1]))
			} else {
				frame := appendMasked(nil, headText, []byte(good+bad+rest))
				at := len(frame) - len(good+bad+rest)
				for _, part := range tc.parts {
					c.send(string(frame[:at+len(part)]))
					frame, at = frame[at+len(part):], 0
				}
			}
			c.expectFault(codec.ErrInvalidUTF8)
		})
	}
}

// TestCloses is 7.1.1 to 7.13.2. Whatever is sent behind the close frame, nothing
// of it is answered.
func TestCloses(t *testing.T) {
	r := startEcho(t)
	type closing struct {
		name   string
		code   int
		reason string
		fault  *codec.CloseError // nil: code and reason come back
	}
	cases := []closing{
		{"7.3.3 code", 1000, "", nil},
		{"7.3.4 reason", 1000, "Hello World!", nil},
		{"7.3.5 longest reason", 1000, strings.Repeat("*", 123), nil},
		{"7.3.6 too long a reason", 1000, strings.Repeat("*", 124), codec.ErrControlTooLong},
		{"7.5.1 reason is no text", 1000, "κόσμε\xed\xa0\x80edited", codec.ErrCloseReason},
		{"longest reason of three-byte characters", 1000, strings.Repeat("漢", 41), nil},
		{"reason is a cut character", 1000, "\xe6\xbc", codec.ErrCloseReason},
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999, // 7.7
		1012, 1013, 1014} { // registered since
		cases = append(cases, closing{fmt.Sprint("7.7 ", code), code, "", nil}, closing{fmt.Sprint("7.7 why ", code), code, "why", nil})
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, // 7.9
		5000, 65535, // 7.13: informational there, refused here
		1, 1015, 1999, 32768} {
		cases = append(cases, closing{fmt.Sprint("7.9 ", code), code, "", codec.ErrCloseCode},
			closing{fmt.Sprint("7.9 why ", code), code, "why", codec.ErrCloseCode})
	}
	check := func(name string, payload []byte, expect func(c *rawConn)) {
		for _, piece := range []int{whole, 1} {
			t.Run(fmt.Sprintf("%s/%d", name, piece), func(t *testing.T) {
				t.Parallel()
				c := dialEcho(t, r)
				b := appendMasked(nil, headText, []byte("before")) // 7.1.1
				b = appendMasked(b, headClose, payload)
				b = appendMasked(b, headClose, closePayload(1000, "")) // 7.1.2
				b = appendMasked(b, headPing, nil)                     // 7.1.3
				b = appendMasked(b, headText, []byte("after"))         // 7.1.4
				c.pour(b, piece)
				c.expectFrame(headText, []byte("before"))
				expect(c)
			})
		}
	}
	for _, tc := range cases {
		check(tc.name, closePayload(tc.code, tc.reason), func(c *rawConn) {
			if tc.fault != nil {
				c.expectFault(tc.fault)
			} else {
				c.expectClose(tc.code, tc.reason)
			}
		})
	}
	check("7.3.2 one byte", []byte{1}, func(c *rawConn) { c.expectFault(codec.ErrCloseTooShort) })
	check("7.3.1 no code", nil, func(c *rawConn) {
		if h, p, err := c.readFrame(); err != nil || h != headClose || len(p) != 0 && string(p) != "\x03\xe8" {
			c.t.Fatalf("got %#x %q, %v", h, p, err)
		}
		c.expectEOF()
	})
	t.Run("7.1.5 close inside a message", func(t *testing.T) {
		t.Parallel()
		c := dialEcho(t, r)
		b := appendMasked(nil, byte(ws.OpText), []byte("half"))
		b = appendMasked(b, headClose, closePayload(1000, ""))
		b = appendMasked(b, finBit|byte(ws.OpContinuation), []byte("other half"))
		c.pour(b, whole)
		c.expectClose(1000, "")
	})
	// 7.1.6 leaves open what comes back; here it is all of it, then the close.
	t.Run("7.1.6 close behind 256 KiB", func(t *testing.T) {
		t.Parallel()
		c := dialEcho(t, r)
		b := appendMasked(nil, headText, sample(256<<10))
		b = appendMasked(b, headText, []byte("Hello World!"))
		b = appendMasked(b, headClose, closePayload(1000, ""))
		b = appendMasked(b, headPing, nil)
		c.pour(b, whole)
		c.expectFrame(headText, sample(256<<10))
		c.expectFrame(headText, []byte("Hello World!"))
		c.expectClose(1000, "")
	})
}

// TestEchoesWait: clients that send all they have before they read get every
// echo in its order. It is what 9 is about for a server that never blocks: the
// kernel takes no more, and what waits for one connection is kept apart from
// what the loop does for the next.
func TestEchoesWait(t *testing.T) {
	r := startEcho(t, func(cfg *config.Config) { cfg.Server.EventLoops = 1 })
	const conns, messages = 4, 1500
	message := func(i, n int) []byte { return fmt.Appendf(nil, "%d %d %s", i, n, sample(n+1000)) }
	var waiting [conns]*rawConn
	for i := range waiting {
		waiting[i] = dialEcho(t, r)
		// Not less: with a window below the segments of loopback (64 KiB) the
		// kernel itself sends 30 KB a second, and near it at times, too.
		if err := waiting[i].Conn.(*net.TCPConn).SetReadBuffer(256 << 10); err != nil {
			t.Fatal(err)
		}
	}
	for n := range messages {
		for i, c := range waiting {
			c.writeFrame(true, 0, ws.OpText, message(i, n))
		}
	}
	waitFor(t, "the kernel to take no more", func() bool { return r.reactor.Stats()[0].OutBytes > 1<<20 })
	for i, c := range waiting {
		for n := range messages {
			c.expectFrame(headText, message(i, n))
		}
	}
}

// TestLargeFragmented is 9.3.1 to 9.4.9, one message of 4 MiB in fragments of
// many sizes, and 10.1.1.
func TestLargeFragmented(t *testing.T) {
	r := startEcho(t)
	check := func(head byte, size, fragment int) {
		t.Run(fmt.Sprintf("%#x/%d/%d", head, size, fragment), func(t *testing.T) {
			t.Parallel()
			c := dialEcho(t, r)
			payload := payloadOf(head, size)
			c.pour(fragmented(payload, fragment, head&^finBit), 64<<10)
			c.expectFrame(head, payload)
		})
	}
	for _, head := range []byte{headText, headBinary} {
		for fragment := 64; fragment <= 4<<20; fragment *= 4 {
			check(head, 4<<20, fragment)
		}
		check(head, 65536, 1300) // 10.1.1
	}
}

// fragmented is a message in fragments of n bytes; head is that of the first one,
// without FIN.
func fragmented(payload []byte, n int, head byte) []byte {
	var b []byte
	for at := 0; ; at += n {
		h := head
		if at > 0 {
			h = byte(ws.OpContinuation)
		}
		if at+n >= len(payload) {
			return appendMasked(b, h|finBit, payload[at:])
		}
		b = appendMasked(b, h, payload[at:at+n])
	}
}
