package netpoll

import (
	"bytes"
	"net"
	"os"
	"time"

	"github.com/gobwas/ws"
	"github.com/panjf2000/gnet/v2"

	"carillon/codec"
)

// traffic handles the bytes that gnet read from c.
func (s *Shard) traffic(c *Conn) {
	defer s.guard(c)
	buf, _ := c.gc.Peek(-1)
	if len(buf) == 0 {
		return
	}
	s.quiet = 0
	if c.has(flagHeld) {
		held := append(s.held[c], buf...)
		_, _ = c.gc.Discard(-1)
		s.feedHeld(c, held)
	} else {
		c.flags &^= flagBuffered
		used := s.feed(c, buf)
		if used > 0 {
			_, _ = c.gc.Discard(used)
		}
		if used < len(buf) {
			c.flags |= flagBuffered
		}
	}
	s.reap()
}

// take handles bytes that the shard itself read from c.
func (s *Shard) take(c *Conn, b []byte) {
	defer s.guard(c)
	s.quiet = 0
	if c.has(flagHeld) {
		b = append(s.held[c], b...)
	}
	s.feedHeld(c, b)
	s.reap()
}

// feedHeld is feed for bytes that are not in gnet's buffer: those that are not
// taken are kept until more come.
func (s *Shard) feedHeld(c *Conn, b []byte) {
	b = b[s.feed(c, b):]
	if len(b) == 0 || s.conns[c.slot] != c {
		if c.has(flagHeld) {
			c.flags &^= flagHeld
			delete(s.held, c)
		}
		return
	}
	c.flags |= flagHeld
	s.held[c] = bytes.Clone(b)
}

// feed gives bytes to a connection and returns how many of them it took.
func (s *Shard) feed(c *Conn, b []byte) (used int) {
	c.seen = s.now
	c.flags &^= flagPinged
	if c.state == stateHandshake {
		used = s.handshake(c, b)
		if c.state != stateOpen {
			return used
		}
	}
	s.corked = c
	used += s.messages(c, b[used:])
	s.uncork()
	return used
}

// messages cuts frames into messages until the bytes or the connection end.
func (s *Shard) messages(c *Conn, b []byte) (used int) {
	for used < len(b) && !c.has(flagDoomed) {
		if c.has(flagPeerClosed) {
			return len(b) // RFC 6455 §5.5.1: nothing is read after a close frame
		}
		m, n, cerr := s.decoder.Next(&c.partial, c.has(flagDeflate), b[used:])
		if cerr != nil {
			if c.state != stateOpen {
				s.doom(c)
			}
			c.flags |= flagPeerClosed
			s.beginClose(c, cerr.Code, cerr.Reason, CauseProtocol, false)
			return len(b)
		}
		if n == 0 {
			return used
		}
		used += n
		switch m.Op {
		case ws.OpContinuation:
		case ws.OpClose:
			s.peerClose(c, m.Payload)
		case ws.OpPing:
			s.count.received++
			c.SendMessage(ws.OpPong, m.Payload, 0)
		case ws.OpPong:
			s.count.received++
		default:
			s.count.received++
			if c.state == stateOpen {
				s.r.handler.Message(c, m.Op, m.Payload)
			}
		}
	}
	return used
}

// peerClose answers the client's close frame with its own code (RFC 6455
// §5.5.1), or ends the connection when it is the answer to ours.
func (s *Shard) peerClose(c *Conn, payload []byte) {
	c.flags |= flagPeerClosed
	switch c.state {
	case stateOpen:
		code, reason, cerr := codec.ParseClose(payload)
		if cerr != nil {
			s.beginClose(c, cerr.Code, cerr.Reason, CauseProtocol, false)
			return
		}
		s.beginClose(c, code, string(reason), CauseClient, false)
	case stateHalfClosed:
		s.doom(c)
	}
}

// handshake looks at the bytes of a connection that is not upgraded yet and
// returns how many it took: the whole request, or nothing when it is not
// complete.
func (s *Shard) handshake(c *Conn, b []byte) int {
	policy := &s.r.opt.Policy
	if path, ok := codec.RequestPath(b); ok && string(path) != policy.Path {
		s.handOver(c, b)
		return len(b)
	}
	var n int
	var rej *codec.Rejection
	req := &s.request // a handler is given it, so that one of our own would be on the heap
	*req, n, rej = codec.ScanRequest(b, s.opt.MaxHeader)
	if rej == nil && n == 0 {
		return 0
	}
	if rej == nil {
		rej = policy.Check(req)
	}
	if rej == nil && s.r.draining.Load() {
		rej = codec.RejectUnavailable
	}
	if rej == nil {
		rej = s.upgrade(c, req)
	}
	if rej != nil {
		s.reject(c, rej)
		return len(b)
	}
	return n
}

// upgrade authenticates and answers the handshake.
func (s *Shard) upgrade(c *Conn, req *codec.Request) *codec.Rejection {
	expires, rej := s.r.handler.Authenticate(c, req)
	if rej != nil {
		return rej
	}
	policy := &s.r.opt.Policy
	if rej := policy.CheckUpgrade(req); rej != nil {
		return rej
	}
	out, accepted, rej := policy.Accept(s.scratch[:0], req)
	s.scratch = out[:0]
	if rej != nil {
		return rej
	}
	h := &s.hot[c.slot]
	if n, _ := sendRetry(h.fd, out); n != len(out) {
		// A socket that was just accepted takes 200 bytes, or it is broken.
		s.broken(c)
		return nil
	}
	s.openConn(c, accepted.Deflate, expires)
	if c.state == stateOpen {
		c.flags |= flagOpened
		s.r.handler.Open(c)
	}
	return nil
}

// openConn makes c, whose handshake was answered, one that takes messages.
func (s *Shard) openConn(c *Conn, deflate bool, expires time.Time) {
	h := &s.hot[c.slot]
	if deflate {
		c.flags |= flagDeflate
		h.flags |= hotDeflate
	}
	h.flags |= hotOpen
	k := h.log()
	h.off = s.logs[k].head
	s.readers[k]++
	s.open++
	s.count.upgraded++
	c.state = stateOpen
	c.since = s.now
	if !expires.IsZero() {
		c.expires = expiryOf(expires)
	}
	if after := s.judgeOpen(c); after > 0 {
		s.schedule(c, after)
	}
}

// reject sends a response and lets the client close.
func (s *Shard) reject(c *Conn, rej *codec.Rejection) {
	s.scratch = rej.Append(s.scratch[:0], s.r.Date())
	_, _ = sendRetry(s.hot[c.slot].fd, s.scratch)
	c.cause = CauseRejected
	c.state = stateClosing
	c.flags |= flagPeerClosed
	s.schedule(c, s.closeTicks)
	s.halfClose(c)
}

// handOver gives a plain HTTP connection to Handler.HTTP.
func (s *Shard) handOver(c *Conn, b []byte) {
	nc, err := dupConn(c.gc)
	if err != nil {
		s.reject(c, codec.RejectTooMany)
		return
	}
	hc := &handedConn{Conn: nc, reactor: s.r, first: bytes.Clone(b)}
	if !s.r.handler.HTTP(hc) && !hc.closed.Swap(true) {
		_ = nc.Close()
		s.reject(c, codec.RejectTooMany)
		return
	}
	c.cause = CauseHTTP // from here on handedConn holds the place among MaxConns
	s.doom(c)
}

// dupConn returns a net.Conn over a duplicate of the connection's descriptor.
func dupConn(gc gnet.Conn) (net.Conn, error) {
	fd, err := gc.Dup()
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	return net.FileConn(f)
}
