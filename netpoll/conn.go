package netpoll

import (
	"net"

	"github.com/gobwas/ws"
	"github.com/panjf2000/gnet/v2"

	"carillon/codec"
)

// Conn is one connection, owned by its shard. Every method is for the event
// loop that called the Handler; other goroutines keep the Handle and go through
// the Reactor.
type Conn struct {
	// Data is the upper layer's. Loop only.
	Data any

	gc      gnet.Conn
	shard   *Shard
	partial *codec.Partial // the message under way, nil at rest
	out     *outQueue      // what the kernel did not take, nil at rest

	slot    uint32
	seen    uint32 // tick of the last byte from the client, on the shard's stall-free clock
	since   uint32 // tick at which the state was entered, same clock
	expires uint32 // wall tick at which the token has expired, 0: never
	listed  int32  // index in the shard's list of blocked connections, -1: not in it
	state   connState
	flags   connFlag
	cause   Cause
}

type connState uint8

const (
	stateHandshake connState = iota
	stateOpen
	stateClosing    // our close frame is queued or sent, TCP is whole
	stateHalfClosed // everything was sent and our side of TCP is shut
)

type connFlag uint8

const (
	flagOpened     connFlag = 1 << iota // Handler.Open was called, Handler.Closed was not
	flagDeflate                         // permessage-deflate was negotiated
	flagPinged                          // a ping is out since the last byte
	flagPeerClosed                      // the client's close frame arrived
	flagDoomed                          // on the shard's list of sockets to close
	flagHeld                            // bytes of it wait in the shard's held map
	flagDirty                           // on the shard's list of connections to flush
	flagBuffered                        // bytes of it wait in gnet's buffer
)

func (c *Conn) has(f connFlag) bool { return c.flags&f != 0 }

// Handle names the connection for other goroutines. Loop only.
func (c *Conn) Handle() Handle { return makeHandle(c.shard.idx, c.slot, c.shard.gens[c.slot]) }

// RemoteAddr returns the peer's address; nil once the connection is closed.
// Loop only.
func (c *Conn) RemoteAddr() net.Addr { return c.gc.RemoteAddr() }

// Deflate tells whether permessage-deflate was negotiated. Loop only.
func (c *Conn) Deflate() bool { return c.has(flagDeflate) }

// Send queues a frame that may be shared with other connections. It is sent
// with whatever else waits for the connection, at the latest when the handler
// returns. A connection that is closing drops it. Loop only.
func (c *Conn) Send(f *codec.Frame) { c.SendShared(c.variant(f)) }

// SendShared queues bytes that form one or several whole frames and are never
// changed again. Loop only.
func (c *Conn) SendShared(frames []byte) { c.shard.write(c, frames, true) }

// SendMessage frames and queues a message, compressed at the given level when
// the connection negotiated it and level is not 0. payload is not kept. Loop only.
func (c *Conn) SendMessage(op ws.OpCode, payload []byte, level int) {
	s := c.shard
	b := s.frame[:0]
	if level != 0 && c.has(flagDeflate) && !op.IsControl() {
		b = codec.AppendDeflated(b, op, payload, level)
	} else {
		b = codec.AppendFrame(b, op, payload)
	}
	s.write(c, b, false)
	if cap(b) <= maxScratch {
		s.frame = b
	}
}

// Close starts the closing handshake (RFC 6455 §7.1.2): what waits for the
// connection is sent first, then the close frame, then the server's side of TCP
// is shut; a client that does not answer is cut after Options.CloseTimeout.
// A connection that is closing already keeps its first cause. Loop only.
func (c *Conn) Close(code codec.CloseCode, reason string, why Cause) {
	c.shard.beginClose(c, code, reason, why, false)
}

// variant picks the bytes of a frame that suit the connection.
func (c *Conn) variant(f *codec.Frame) []byte {
	if c.has(flagDeflate) {
		if b := f.Deflated(); b != nil {
			return b
		}
	}
	return f.Plain()
}
