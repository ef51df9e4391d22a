package codec

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// DefaultMaxMessage is DecoderOptions.MaxMessage when it is not set: 64 KiB, the
// default of websocket.max-message-bytes.
const DefaultMaxMessage = 64 << 10

// DecoderOptions is what a Decoder is told once.
type DecoderOptions struct {
	// MaxMessage is the longest message in bytes, summed over its fragments; of a
	// compressed one, after decompression. Beyond it: 1009. Default DefaultMaxMessage.
	MaxMessage int
	// Binary accepts binary messages. Otherwise they are refused with 1003 at their header.
	Binary bool
	// Client reads the frames of a server, which are not masked: ErrMasked if one is.
	Client bool
}

// Message is one message or control frame of a client. Op is ws.OpText,
// ws.OpBinary, ws.OpPing, ws.OpPong or ws.OpClose; ws.OpContinuation means that
// there is none yet.
type Message struct {
	Op      ws.OpCode
	Payload []byte // unmasked and decompressed; valid until the next call of Decoder.Next
}

// Decoder reads the frames of clients, or of a server with
// [DecoderOptions.Client] (RFC 6455 section 5). One serves all connections of an
// event loop; what a single connection is in the middle of is its Partial. Not
// for concurrent use.
type Decoder struct {
	opt     DecoderOptions
	maxWire int // longest compressed form of a message that may be within MaxMessage
	pool    bufferPool
	partial []*Partial // free ones
	inflate inflater
}

// Partial is the message a connection is in the middle of. A connection at rest
// has none (nil) and holds no buffer.
type Partial struct {
	buf     []byte    // the message so far, unmasked
	checked int       // bytes of buf that are known to be whole UTF-8 characters
	left    int       // bytes of the current frame that have not arrived
	maskPos int       // bytes of the current frame that have arrived, modulo 4
	mask    [4]byte   // mask of the current frame
	op      ws.OpCode // of the message
	fin     bool      // the current frame is the last one
	deflate bool      // the message is compressed
}

// maxFreePartials bounds the unused Partials a Decoder keeps; one is 56 bytes.
const maxFreePartials = 64

// upFront is the most a declared length may reserve before its bytes arrive.
const upFront = 4 << 10

// NewDecoder returns a Decoder.
func NewDecoder(opt DecoderOptions) *Decoder {
	if opt.MaxMessage <= 0 {
		opt.MaxMessage = DefaultMaxMessage
	}
	// Data that does not get smaller grows by 5 bytes a block (RFC 1951 section
	// 3.2.4); zlib's bound for its smallest blocks is an eighth and a little.
	slack := min(opt.MaxMessage/8+64, math.MaxInt-opt.MaxMessage)
	return &Decoder{opt: opt, maxWire: opt.MaxMessage + slack}
}

// Next consumes one frame, or as much of it as has arrived, from the front of b
// and returns how many bytes that were. *p is the connection's Partial; deflate
// says that permessage-deflate was negotiated. It never blocks.
//
//   - m.Op != ws.OpContinuation: a message or control frame is complete.
//   - n > 0 without a message: bytes were taken, call again with the rest.
//   - n == 0 and err == nil: b ends within a header, or within a control frame;
//     call again with the same bytes and more. The caller keeps at most
//     MaxClientHold bytes.
//   - err != nil: close the connection with its code; Release the Partial.
//
// A whole unfragmented frame is unmasked where it lies and its payload aliases
// b: so b is written to, and its consumed bytes must not be given to Next again.
// Everything else is gathered in a pooled buffer. In both cases the payload is
// valid until the next call of Next on this Decoder, for whichever connection.
//
// Refused with 1002: frames without mask (of a server: with one), reserved bits (RSV1 is allowed on the
// first frame of a data message when deflate is true), reserved opcodes, control
// frames over 125 bytes or in fragments, a continuation of nothing, a new
// message inside a message, a 64-bit length with its first bit set. A length
// written longer than needed is accepted in data frames, as the reference does.
// A message over MaxMessage is refused with 1009 at the header that declares it,
// before anything is reserved for it; a compressed one there if no message within
// MaxMessage compresses to as much, else while it is inflated. Text is refused
// with 1007 at the first byte that can not be UTF-8, binary with 1003 at its header.
//
// A close frame is returned raw, see ParseClose.
func (d *Decoder) Next(p **Partial, deflate bool, b []byte) (m Message, n int, err *CloseError) {
	pt := *p
	if pt != nil && pt.left > 0 {
		return d.body(p, 0, b)
	}
	if len(b) < 2 {
		return m, 0, nil
	}

	b0, b1 := b[0], b[1]
	op := ws.OpCode(b0 & 0x0f)
	fin := b0&bitFin != 0
	if rsv := b0 & 0x70; rsv != 0 && (rsv != bitRsv1 || !deflate || op != ws.OpText && op != ws.OpBinary) {
		return m, 0, ErrReservedBits
	}
	if masked := b1&bitMask != 0; masked == d.opt.Client {
		if masked {
			return m, 0, ErrMasked
		}
		return m, 0, ErrUnmasked
	}
	size := int(b1 &^ bitMask)
	switch op {
	case ws.OpText, ws.OpBinary:
		if pt != nil {
			return m, 0, ErrExpectedContinuation
		}
		if op == ws.OpBinary && !d.opt.Binary {
			return m, 0, ErrBinary
		}
	case ws.OpContinuation:
		if pt == nil {
			return m, 0, ErrOrphanContinuation
		}
	case ws.OpClose, ws.OpPing, ws.OpPong:
		if !fin {
			return m, 0, ErrControlFragmented
		}
		if size > MaxControl {
			return m, 0, ErrControlTooLong
		}
		at := 2 + d.maskLen()
		end := at + size
		if len(b) < end {
			return m, 0, nil
		}
		payload := b[at:end:end]
		if !d.opt.Client {
			ws.Cipher(payload, [4]byte(b[2:6]), 0)
		}
		return Message{op, payload}, end, nil
	default:
		return m, 0, ErrReservedOpcode
	}

	deflated, have := b0&bitRsv1 != 0, 0
	if pt != nil {
		deflated, have = pt.deflate, len(pt.buf) // of earlier fragments
	}
	limit := d.limit(deflated)
	at := 2 // where the mask begins
	switch size {
	case len16:
		if len(b) < 4 {
			return m, 0, nil
		}
		size, at = int(binary.BigEndian.Uint16(b[2:])), 4
	case len64:
		if len(b) < 10 {
			return m, 0, nil
		}
		u := binary.BigEndian.Uint64(b[2:])
		if u>>63 != 0 {
			return m, 0, ErrLengthOverflow
		}
		if u > uint64(limit) {
			return m, 0, ErrTooBig
		}
		size, at = int(u), 10
	}
	if size > limit-have {
		return m, 0, ErrTooBig
	}
	if len(b) < at+d.maskLen() {
		return m, 0, nil
	}
	var mask [4]byte // of zeros for a server's frame: unmasking changes nothing
	if !d.opt.Client {
		mask = [4]byte(b[at : at+4])
		at += 4
	}

	if pt == nil && fin && len(b)-at >= size {
		end := at + size
		payload := b[at:end:end]
		if !d.opt.Client {
			ws.Cipher(payload, mask, 0)
		}
		return d.finish(op, deflated, payload, end)
	}

	if pt == nil {
		pt = d.newPartial()
		pt.op = op
		pt.deflate = deflated
		*p = pt
	}
	pt.fin, pt.mask, pt.maskPos, pt.left = fin, mask, 0, size
	return d.body(p, at, b)
}

// maskLen is the length of the mask in a frame's header.
func (d *Decoder) maskLen() int {
	if d.opt.Client {
		return 0
	}
	return 4
}

// limit is the most bytes of payload a message may have on the wire.
func (d *Decoder) limit(deflated bool) int {
	if deflated {
		return d.maxWire
	}
	return d.opt.MaxMessage
}

// finish turns a complete payload into a message: inflated, checked. The buffer
// under it goes back to the pool already: only Next takes buffers out of it, so
// the payload stays what it is until then.
func (d *Decoder) finish(op ws.OpCode, deflated bool, payload []byte, n int) (Message, int, *CloseError) {
	if deflated {
		out, err := d.inflate.run(&d.pool, payload, d.opt.MaxMessage)
		if err != nil {
			return Message{}, n, err
		}
		d.pool.put(out)
		payload = out[:len(out):len(out)]
	}
	if op == ws.OpText && !utf8.Valid(payload) {
		return Message{}, n, ErrInvalidUTF8
	}
	return Message{op, payload}, n, nil
}

// body takes what b[at:] holds of the current frame of *p into its buffer.
func (d *Decoder) body(p **Partial, at int, b []byte) (m Message, n int, err *CloseError) {
	pt := *p
	piece := b[at:]
	if len(piece) > pt.left {
		piece = piece[:pt.left]
	}
	n = at + len(piece)
	if len(piece) > 0 {
		old := len(pt.buf)
		pt.buf = d.grow(pt, len(piece))
		copy(pt.buf[old:], piece)
		if !d.opt.Client {
			ws.Cipher(pt.buf[old:], pt.mask, pt.maskPos)
		}
		pt.maskPos = (pt.maskPos + len(piece)) & 3
		pt.left -= len(piece)
	}
	if pt.op == ws.OpText && !pt.deflate {
		k, ok := utf8Prefix(pt.buf[pt.checked:])
		if !ok {
			return m, n, ErrInvalidUTF8
		}
		pt.checked += k
	}
	if pt.left > 0 || !pt.fin {
		return m, n, nil
	}

	buf, op, deflated, checked := pt.buf, pt.op, pt.deflate, pt.checked
	*p = nil
	d.freePartial(pt)
	if deflated {
		// Not before: finish takes a buffer for what comes out.
		defer d.pool.put(buf)
		return d.finish(op, true, buf, n)
	}
	d.pool.put(buf) // see finish
	if op == ws.OpText && checked != len(buf) {
		return m, n, ErrInvalidUTF8 // cut within a character
	}
	return Message{op, buf[:len(buf):len(buf)]}, n, nil
}

// grow returns pt.buf longer by n bytes. The first buffer is for what its frame
// declares, but no more than upFront; the next ones double, so that a message in
// single bytes or tiny fragments costs linear time, and end where the message must.
func (d *Decoder) grow(pt *Partial, n int) []byte {
	need := len(pt.buf) + n
	if need <= cap(pt.buf) {
		return pt.buf[:need]
	}
	want, most := min(pt.left, upFront), d.limit(pt.deflate)
	if pt.buf != nil {
		want = 2 * cap(pt.buf)
	}
	if pt.fin {
		most = len(pt.buf) + pt.left
	}
	want = min(want, most)
	buf := d.pool.get(max(want, need))[:need]
	copy(buf, pt.buf)
	if pt.buf != nil {
		d.pool.put(pt.buf)
	}
	return buf
}

// Release gives up the message a connection is in the middle of, when it
// closes. *p becomes nil; a nil *p is fine.
func (d *Decoder) Release(p **Partial) {
	pt := *p
	if pt == nil {
		return
	}
	*p = nil
	if pt.buf != nil {
		d.pool.put(pt.buf)
	}
	d.freePartial(pt)
}

func (d *Decoder) newPartial() *Partial {
	if n := len(d.partial); n > 0 {
		pt := d.partial[n-1]
		d.partial = d.partial[:n-1]
		return pt
	}
	return new(Partial)
}

func (d *Decoder) freePartial(pt *Partial) {
	*pt = Partial{}
	if len(d.partial) < maxFreePartials {
		d.partial = append(d.partial, pt)
	}
}
