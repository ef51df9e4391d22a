package server

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"carillon/codec"
)

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
