package server

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"carillon/codec"
	"carillon/server/config"
)

// The tests of this file go on with the groups of the Autobahn test suite, as those
// of rfc6455_test.go.

const rsv1 = 0x40

// deflateMin is the length from which startDeflate's server compresses.
const deflateMin = 16

func startDeflate(t *testing.T) *running {
	return startEcho(t, func(cfg *config.Config) {
		cfg.WebSocket.Compression = true
		cfg.WebSocket.CompressionMinBytes = deflateMin
	})
}

// deflateEcho sends messages compressed by the client and checks what comes back.
type deflateEcho struct {
	*rawConn
	out bytes.Buffer
	w   *flate.Writer
	r   io.ReadCloser
}

func newDeflateEcho(c *rawConn, level int) *deflateEcho {
	d := &deflateEcho{rawConn: c, r: flate.NewReader(nil)}
	var err error
	if d.w, err = flate.NewWriter(&d.out, level); err != nil {
		c.t.Fatal(err)
	}
	return d
}

// deflate compresses as RFC 7692 §7.2.1 says. The result is valid until the next call.
func (d *deflateEcho) deflate(b []byte) []byte {
	d.t.Helper()
	d.out.Reset()
	d.w.Reset(&d.out)
	_, err := d.w.Write(b)
	if err == nil {
		err = d.w.Flush()
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return bytes.TrimSuffix(d.out.Bytes(), []byte("\x00\x00\xff\xff"))
}

// expect reads the echo of a message: compressed from deflateMin bytes on.
func (d *deflateEcho) expect(head byte, payload []byte) {
	d.t.Helper()
	h, p, err := d.readFrame()
	if err != nil {
		d.t.Fatal(err)
	}
	if len(payload) >= deflateMin {
		head |= rsv1
	}
	if h&rsv1 != 0 {
		tail := strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")
		if err = d.r.(flate.Resetter).Reset(io.MultiReader(bytes.NewReader(p), tail), nil); err == nil {
			p, err = io.ReadAll(d.r)
		}
	}
	if err != nil || h != head || !bytes.Equal(p, payload) {
		d.t.Fatalf("got frame %#x of %d bytes, %v, want %#x of %d", h, len(p), err, head, len(payload))
	}
}

// corpus returns text or binary data of two kinds: it compresses well, or not at all.
func corpus(head byte, random bool, n int) []byte {
	b := make([]byte, 0, n+64)
	src := rand.New(rand.NewPCG(uint64(n), uint64(head)))
	for i := 0; len(b) < n; i++ {
		switch {
		case random && head == headText:
			b = append(b, byte(' '+src.IntN(95))) // one byte a character: it may be cut anywhere
		case random:
			b = append(b, byte(src.Uint32()))
		case head == headText:
			b = fmt.Appendf(b, `{"id":%d,"name":"item","tags":["a","b"],"price":%d.50},`, i, src.IntN(1000))
		default:
			b = append(b, 0xff, 0xd8, 0, 0, 0, byte(i), 0xff, 0xd8)
		}
	}
	return b[:n]
}

// TestCompression is 12.1.1 to 12.5.18: messages one after the other on a
// connection, cut out of texts and binary data, in one frame and in fragments,
// every third one sent plain, by clients of every level. The suite sends 1,000 of
// each size, out of five files of its own; here they are fewer, out of corpus.
func TestCompression(t *testing.T) {
	r := startDeflate(t)
	rows := []struct{ size, count, fragment int }{
		{0, 3, 0}, {1, 3, 0}, {deflateMin - 1, 3, 0}, // of our own
		{16, 99, 0}, {64, 99, 0}, {256, 99, 0}, {1024, 99, 0}, {4096, 30, 0},
		{8192, 15, 0}, {16384, 9, 0}, {32768, 6, 0}, {65536, 3, 0}, {131072, 3, 0},
		{8192, 15, 256}, {16384, 9, 256}, {32768, 6, 256}, {65536, 3, 256}, {131072, 3, 256},
		{131072, 3, 1024}, {131072, 3, 4096}, {131072, 3, 32768},
		{1 << 20, 1, 0}, {65536, 2, 1}, // of our own
	}
	for i, row := range rows {
		for _, head := range []byte{headText, headBinary} {
			for _, random := range []bool{false, true} {
				t.Run(fmt.Sprintf("%#x/%d/%d/random=%v", head, row.size, row.fragment, random), func(t *testing.T) {
					t.Parallel()
					c := dialEcho(t, r, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
					level := []int{flate.BestSpeed, flate.DefaultCompression, flate.BestCompression, flate.NoCompression, flate.HuffmanOnly}[i%5]
					d := newDeflateEcho(c, level)
					data := corpus(head, random, row.size+row.count)
					for n := range row.count {
						payload, first, body := data[n:n+row.size], head, data[n:n+row.size]
						if n%3 < 2 {
							first, body = head|rsv1, d.deflate(payload)
						}
						frame := appendMasked(nil, first, body)
						if row.fragment > 0 {
							frame = fragmented(body, row.fragment, first&^finBit)
						}
						if len(frame) > 64<<10 {
							c.pour(frame, 8<<10)
						} else {
							c.send(string(frame))
						}
						d.expect(head, payload)
					}
				})
			}
		}
	}
	for _, tc := range []struct {
		name    string
		deflate []byte // compressed, or not
		plain   []byte
		want    *codec.CloseError
	}{
		{"bomb", nil, make([]byte, 16<<20+1), codec.ErrTooBig},
		{"no deflate data", []byte("\xff\xff\xff"), nil, codec.ErrBadDeflate},
		{"cut", []byte("\xf2"), nil, codec.ErrBadDeflate},
		{"compressed text that is none", nil, []byte("\xed\xa0\x80"), codec.ErrInvalidUTF8},
		{"compressed text that ends in a character", nil, []byte("ok \xe6\xbc"), codec.ErrInvalidUTF8},
	} {
		for _, fragment := range []int{whole, 2} {
			t.Run(fmt.Sprintf("%s/%d", tc.name, fragment), func(t *testing.T) {
				t.Parallel()
				c := dialEcho(t, r, "Sec-WebSocket-Extensions: permessage-deflate")
				b := tc.deflate
				if b == nil {
					b = newDeflateEcho(c, flate.BestSpeed).deflate(tc.plain)
				}
				c.pour(fragmented(b, fragment, rsv1|byte(ws.OpText)), 8<<10)
				c.expectFault(tc.want)
			})
		}
	}
}

// TestNegotiation is 13.1.1 to 13.7.18: the answer to every kind of offer, and
// traffic after it. Windows smaller than 15 are declined, as 7.1.2.1 of RFC 7692
// allows; a declined offer leaves a connection where RSV1 is a fault.
func TestNegotiation(t *testing.T) {
	r := startDeflate(t)
	const (
		offer  = "permessage-deflate"
		agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
		window = agreed + "; server_max_window_bits=15"
	)
	for _, tc := range []struct {
		offers []string // header lines
		want   string
	}{
		{[]string{offer}, agreed}, // 13.1
		{[]string{offer + "; client_max_window_bits"}, agreed},
		{[]string{offer + "; client_max_window_bits=8"}, agreed},
		{[]string{offer + "; client_max_window_bits=10"}, agreed},
		{[]string{offer + `; client_max_window_bits="15"`}, agreed},
		{[]string{offer + "; server_no_context_takeover"}, agreed}, // 13.2
		{[]string{offer + "; client_no_context_takeover"}, agreed},
		{[]string{offer + "; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"}, agreed},
		{[]string{offer + "; server_max_window_bits=8; client_max_window_bits"}, ""}, // 13.3
		{[]string{offer + "; server_max_window_bits=9; client_max_window_bits"}, ""},
		{[]string{offer + "; server_max_window_bits=14"}, ""},
		{[]string{offer + "; server_max_window_bits=15; client_max_window_bits"}, window},                             // 13.4
		{[]string{offer + "; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits"}, ""},      // 13.5
		{[]string{offer + "; server_no_context_takeover; server_max_window_bits=15; client_max_window_bits"}, window}, // 13.6
		{[]string{offer + "; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits, " +
			offer + "; server_no_context_takeover; client_max_window_bits, " + offer + "; client_max_window_bits"}, agreed}, // 13.7
		{[]string{offer + "; server_max_window_bits=9", offer + "; server_max_window_bits=15"}, window},
		{[]string{"x-unknown, " + offer + "; client_max_window_bits, permessage-something"}, agreed},
		{[]string{offer + "; unknown"}, ""},
		{[]string{offer + "; unknown=1, " + offer}, agreed},
		{[]string{offer + "; server_max_window_bits"}, ""},
		{[]string{offer + "; server_max_window_bits=16"}, ""},
		{[]string{offer + "; client_max_window_bits=7"}, ""},
		{[]string{offer + "; server_no_context_takeover=1"}, ""},
		{[]string{offer + "; client_no_context_takeover; client_no_context_takeover"}, ""},
		{[]string{"x-webkit-deflate-frame"}, ""},
		{nil, ""},
	} {
		t.Run(strings.Join(tc.offers, " | "), func(t *testing.T) {
			t.Parallel()
			c := dialRaw(t, r)
			var lines []string
			for _, o := range tc.offers {
				lines = append(lines, "Sec-WebSocket-Extensions: "+o)
			}
			c.send(request("/ws", lines...))
			res, body := c.response()
			if got := strings.Join(res.Header.Values("Sec-WebSocket-Extensions"), " | "); res.StatusCode != 101 || got != tc.want {
				t.Fatalf("got %s %q %s, want %q", res.Status, got, body, tc.want)
			}
			d := newDeflateEcho(c, flate.DefaultCompression)
			payload := corpus(headText, false, 4096)
			if tc.want == "" {
				c.writeFrame(true, 0, ws.OpText, payload)
				c.expectFrame(headText, payload)
				c.writeFrame(true, 4, ws.OpText, d.deflate(payload))
				c.expectFault(codec.ErrReservedBits)
				return
			}
			for n := range 30 {
				c.writeFrame(true, 4, ws.OpText, d.deflate(payload[n:]))
				d.expect(headText, payload[n:])
			}
		})
	}
}
