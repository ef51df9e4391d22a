package server

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gobwas/ws"

	"carillon/codec"
)

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
