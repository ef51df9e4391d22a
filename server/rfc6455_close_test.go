package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"carillon/codec"
)

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
