package faulty

import (
	"strconv"

	"github.com/gobwas/ws"

	"carillon/codec"
)

// message is a text or binary message on its way to any number of connections.
type message struct {
	op      ws.OpCode
	payload []byte
	frames  []byte // encoded as the faults at the time said
	pings   int    // in frames
}

// encode encodes a message once for all its receivers. payload may be reused
// afterwards.
func (s *Server) encode(op ws.OpCode, payload []byte) *message {
	f := s.faults.Load()
	m := &message{op: op}
	if f.FragmentBytes <= 0 {
		m.frames = codec.AppendFrame(nil, op, payload)
		m.payload = m.frames[len(m.frames)-len(payload):]
		return m
	}
	m.payload = append([]byte(nil), payload...)
	parts := pieces(m.payload, f.FragmentBytes)
	for i, part := range parts {
		if i > 0 && f.Interleave {
			m.frames = append(m.frames, s.ping()...)
			m.pings++
		}
		m.frames = codec.AppendHeader(m.frames, op, i == len(parts)-1, false, len(part))
		m.frames = append(m.frames, part...)
		op = ws.OpContinuation
	}
	return m
}

// ping returns a ping with a new number.
func (s *Server) ping() []byte {
	n := s.count.pingsNumbering.Add(1)
	return codec.AppendFrame(nil, ws.OpPing, strconv.AppendInt([]byte("ping "), n, 10))
}

// isOurs reports whether a pong has the payload of a ping that was made.
func (s *Server) isOurs(pong []byte) bool {
	const prefix = "ping "
	if len(pong) < len(prefix) || string(pong[:len(prefix)]) != prefix {
		return false
	}
	n, err := strconv.ParseInt(string(pong[len(prefix):]), 10, 64)
	return err == nil && n > 0 && n <= s.count.pingsNumbering.Load()
}

// corrupted returns the message as one frame with a byte changed. Flipping the
// last bit of an ASCII or a continuation byte keeps UTF-8 what it is, so the
// byte is the nearest such one before the offset, or else after it.
func (m *message) corrupted(offset int) []byte {
	b := append([]byte(nil), m.payload...)
	at := max(0, len(b)-1-offset)
	for at > 0 && b[at] >= 0xC0 {
		at--
	}
	for at < len(b) && b[at] >= 0xC0 && m.op == ws.OpText {
		at++
	}
	if at < len(b) {
		b[at] ^= 1
	}
	return codec.AppendFrame(nil, m.op, b)
}

// violating returns the message in a form that breaks the protocol.
func (m *message) violating(v Violation) []byte {
	whole := codec.AppendFrame(nil, m.op, m.payload)
	switch v {
	case Masked:
		f := ws.MaskFrame(ws.NewFrame(m.op, true, m.payload))
		return ws.MustCompileFrame(f)
	case ReservedBits:
		whole[0] |= 0x20
		return whole
	case ReservedOpcode:
		whole[0] = whole[0]&0xF0 | 3
		return whole
	case Orphan:
		whole[0] &= 0xF0
		return whole
	case FragmentedControl:
		return append(codec.AppendHeader(nil, ws.OpPing, false, false, 0), whole...)
	case LongControl:
		const n = codec.MaxControl + 1
		return append(append(codec.AppendHeader(nil, ws.OpPing, true, false, n), make([]byte, n)...), whole...)
	case BadUTF8:
		return codec.AppendFrame(nil, ws.OpText, append([]byte{0xFF}, m.payload...))
	default: // Unfinished
		return append(codec.AppendHeader(nil, m.op, false, false, 0), whole...)
	}
}
