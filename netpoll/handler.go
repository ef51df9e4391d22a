package netpoll

import (
	"net"
	"time"

	"github.com/gobwas/ws"

	"carillon/codec"
)

// Handler is what the reactor tells the layer above. All methods but HTTP run
// on the connection's event loop: they must not block.
type Handler interface {
	// Authenticate decides on a handshake whose path and method are right. It
	// may set Conn.Data. The request is valid during the call only. A nil
	// Rejection accepts; expires ends the session then, zero never does.
	// Loop only.
	Authenticate(c *Conn, r *codec.Request) (expires time.Time, rej *codec.Rejection)

	// Open is called once the 101 is on its way. Loop only.
	Open(c *Conn)

	// Message is called for every whole text or binary message. The payload is
	// valid, and may be changed, during the call only. Loop only.
	Message(c *Conn, op ws.OpCode, payload []byte)

	// Closed is called once for every connection that Open was called for, when
	// it takes no more messages: the close frame may still be on its way, and the
	// TCP connection open until the client answered it. Loop only.
	Closed(c *Conn, why Cause)

	// HTTP takes over a connection that asks for something else than the
	// WebSocket endpoint. Its first bytes were read already and come again from
	// nc.Read. It must not block; it returns false to have nc refused and
	// closed. Loop only.
	HTTP(nc net.Conn) bool
}
