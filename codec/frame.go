package codec

import (
	"encoding/binary"
	"math"

	"github.com/gobwas/ws"
)

// Sizes of frame headers in bytes (RFC 6455 section 5.2).
const (
	// MaxServerHeader is the longest header the server writes: 2 bytes and a 64-bit length.
	MaxServerHeader = 10
	// MaxClientHeader is the longest header a client writes: MaxServerHeader and the mask.
	MaxClientHeader = 14
	// MaxControl is the longest payload of a control frame.
	MaxControl = 125
	// MaxClientHold is the most bytes a caller of Decoder.Next has to keep: a control
	// frame less one byte. (A header is shorter.)
	MaxClientHold = 2 + 4 + MaxControl - 1
)

const (
	bitFin  = 0x80
	bitRsv1 = 0x40
	bitMask = 0x80

	len16 = 126 // length field that says: 16 bits of length follow
	len64 = 127 // length field that says: 64 bits of length follow
)

// HeartbeatRequest is the payload of the heartbeat as clients usually send it.
const HeartbeatRequest = `{"type":"HEARTBEAT"}`

// HeartbeatAck is the whole frame that answers a heartbeat: 81 18 and
// {"type":"HEARTBEAT_ACK"}. It is shared; nobody writes to it.
var HeartbeatAck = AppendFrame(nil, ws.OpText, []byte(`{"type":"HEARTBEAT_ACK"}`))

// FrameSize returns the size in bytes of an unmasked frame with payload bytes of
// payload, header included.
func FrameSize(payload int) int {
	switch {
	case payload < len16:
		return 2 + payload
	case payload <= math.MaxUint16:
		return 4 + payload
	}
	return 10 + payload
}

// AppendHeader appends the header of an unmasked frame (RFC 6455 section 5.2).
func AppendHeader(dst []byte, op ws.OpCode, fin, rsv1 bool, payload int) []byte {
	b0 := byte(op)
	if fin {
		b0 |= bitFin
	}
	if rsv1 {
		b0 |= bitRsv1
	}
	switch {
	case payload < len16:
		return append(dst, b0, byte(payload))
	case payload <= math.MaxUint16:
		return append(dst, b0, len16, byte(payload>>8), byte(payload))
	}
	dst = append(dst, b0, len64)
	return binary.BigEndian.AppendUint64(dst, uint64(payload))
}

// AppendFrame appends one whole unmasked frame.
func AppendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	dst = AppendHeader(dst, op, true, false, len(payload))
	return append(dst, payload...)
}

// FrameLen returns the length in bytes, header included, of the unmasked server
// frame that begins at b. ok is false when b does not hold its whole header. The
// frame itself may reach beyond b. It is meant for frames of our own making; a
// length that no frame of ours can have is not ok either.
func FrameLen(b []byte) (n int, ok bool) {
	if len(b) < 2 {
		return 0, false
	}
	switch l := int(b[1] &^ bitMask); l {
	case len16:
		if len(b) < 4 {
			return 0, false
		}
		return 4 + int(binary.BigEndian.Uint16(b[2:])), true
	case len64:
		if len(b) < 10 {
			return 0, false
		}
		u := binary.BigEndian.Uint64(b[2:])
		if u > math.MaxInt-MaxServerHeader {
			return 0, false
		}
		return 10 + int(u), true
	default:
		return 2 + l, true
	}
}

// Frame is a text message on its way to any number of connections, encoded
// once. It is immutable from the moment it is shared; its bytes live as long
// as anyone holds them. Any goroutine.
type Frame struct {
	plain    []byte
	deflated []byte
	header   int // bytes of header in plain
}

// NewText returns the frame of a text message. payload is copied; the caller
// sees to it that it is UTF-8.
func NewText(payload []byte) *Frame { return newText(payload) }

// NewTextString is NewText for a string.
func NewTextString(payload string) *Frame { return newText(payload) }

func newText[T []byte | string](payload T) *Frame {
	size := FrameSize(len(payload))
	f, room := newFrame(size)
	b := AppendHeader(room, ws.OpText, true, false, len(payload))
	f.plain, f.header = append(b, payload...), size-len(payload)
	return f
}

// Frames with room for their bytes, so that a push is one allocation. With the 56
// bytes of a Frame each fills a size class of Go's allocator.
type (
	frame72 struct {
		Frame
		room [72]byte
	}
	frame136 struct {
		Frame
		room [136]byte
	}
	frame200 struct {
		Frame
		room [200]byte
	}
	frame328 struct {
		Frame
		room [328]byte
	}
)

// newFrame returns an empty frame, and room for size bytes.
func newFrame(size int) (*Frame, []byte) {
	switch {
	case size <= len(frame72{}.room):
		f := new(frame72)
		return &f.Frame, f.room[:0:size]
	case size <= len(frame136{}.room):
		f := new(frame136)
		return &f.Frame, f.room[:0:size]
	case size <= len(frame200{}.room):
		f := new(frame200)
		return &f.Frame, f.room[:0:size]
	case size <= len(frame328{}.room):
		f := new(frame328)
		return &f.Frame, f.room[:0:size]
	}
	return new(Frame), make([]byte, 0, size)
}

// Plain returns the whole uncompressed frame. Read only.
func (f *Frame) Plain() []byte { return f.plain }

// Deflated returns the whole permessage-deflate frame, or nil when Compress was
// not called or did not pay: then Plain goes to everyone. Read only.
func (f *Frame) Deflated() []byte { return f.deflated }

// Payload returns the uncompressed message. Read only.
func (f *Frame) Payload() []byte { return f.plain[f.header:] }

// Compress adds the permessage-deflate variant (RFC 7692, no context takeover)
// at a level from 1 to 9; other levels mean the library's default. Payloads
// under minBytes, and those that would not get smaller, are left alone. The
// producer calls it before the frame is shared.
func (f *Frame) Compress(level int, minBytes int) {
	if len(f.Payload()) < minBytes {
		return
	}
	if b := AppendDeflated(nil, ws.OpText, f.Payload(), level); len(b) < len(f.plain) {
		f.deflated = b
	}
}
