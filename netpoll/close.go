package netpoll

import (
	"golang.org/x/sys/unix"

	"carillon/codec"
)

// Reasons of the close frames that the reactor sends by itself.
const (
	reasonSlowConsumer = "slow consumer"
	reasonHeartbeat    = "heartbeat timeout"
	reasonExpired      = "token expired"
	reasonShutdown     = "server shutting down"
)

// beginClose queues the close frame behind what waits for c, or, with
// dropPending, behind the rest of a frame that was sent in part.
func (s *Shard) beginClose(c *Conn, code codec.CloseCode, reason string, why Cause, dropPending bool) {
	if c.state != stateOpen {
		return
	}
	if s.corked == c {
		s.uncork()
		s.corked = c
	}
	if c.state != stateOpen { // the flush found it broken or slow
		return
	}
	c.cause = why
	s.leave(c)
	s.detach(c, dropPending, codec.AppendClose(s.frame[:0], code, reason))
	c.since = s.now
	s.schedule(c, s.closeTicks)
	s.flush(c)
}

// leave ends c as a connection that takes messages, whose cause is known: from
// here on it only closes, which may take a client's time.
func (s *Shard) leave(c *Conn) {
	s.readers[s.hot[c.slot].log()]--
	s.open--
	c.state = stateClosing
	if c.has(flagOpened) {
		c.flags &^= flagOpened
		defer s.guard(nil)
		s.r.handler.Closed(c, c.cause)
	}
}

// halfClose shuts our side of TCP once the close frame is with the kernel
// (RFC 6455 §7.1.1), and leaves the rest to the client and a deadline: closing
// at once would reset the connection if bytes of the client are still unread,
// and the client might never see the close frame.
func (s *Shard) halfClose(c *Conn) {
	if err := unix.Shutdown(int(s.hot[c.slot].fd), unix.SHUT_WR); err != nil {
		s.doom(c)
		return
	}
	c.state = stateHalfClosed
	c.since = s.now
}

// broken gives up a connection whose socket failed.
func (s *Shard) broken(c *Conn) {
	if c.cause == CauseNone {
		c.cause = CauseTransport
	}
	s.doom(c)
}

// doom puts c on the list of sockets to close when nothing iterates over
// connections any more.
func (s *Shard) doom(c *Conn) {
	if c.has(flagDoomed) {
		return
	}
	c.flags |= flagDoomed
	s.unlist(c)
	h := &s.hot[c.slot]
	if c.state == stateOpen {
		s.leave(c)
	}
	c.state = stateHalfClosed
	h.flags &^= hotOpen
	s.doomed = append(s.doomed, c)
}

// reap closes the sockets of doomed connections.
func (s *Shard) reap() {
	for i := 0; i < len(s.doomed); i++ {
		c := s.doomed[i]
		s.doomed[i] = nil
		if s.conns[c.slot] == c {
			_ = s.loop.Close(c.gc)
		}
	}
	s.doomed = s.doomed[:0]
}

// remove forgets a connection whose socket gnet is about to close.
func (s *Shard) remove(c *Conn, err error) {
	if c.cause == CauseNone {
		switch {
		case err == nil:
			c.cause = CauseShutdown // the loop closes all it has when it ends
		case isEOF(err):
			c.cause = CauseEOF
		default:
			c.cause = CauseTransport
		}
	}
	if c.state == stateOpen {
		s.leave(c)
	}
	c.state = stateHalfClosed
	s.unlist(c)
	s.wheel.cancel(c.slot)
	s.releaseQueue(c)
	s.decoder.Release(&c.partial)
	if c.has(flagHeld) {
		delete(s.held, c)
	}
	if s.corked == c {
		s.corked = nil
		s.cork = s.cork[:0]
	}
	s.r.setSlot(s.hot[c.slot].fd, 0)
	s.hot[c.slot] = hotSlot{fd: -1}
	s.conns[c.slot] = nil
	s.free = append(s.free, c.slot)
	s.count.closed[c.cause]++
	if c.cause != CauseHTTP {
		s.r.conns.Add(-1)
	}
	c.Data = nil
}
