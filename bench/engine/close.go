package engine

import (
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"carillon/bench/stats"
	"carillon/codec"
)

// leaveTimeout is how long the server has to answer our close frame.
const leaveTimeout = 2 * time.Second

var goodbye = codec.AppendClose(nil, codec.CloseNormal, "")[2:]

// leave ends a connection at our wish: with a close frame, whose answer is waited
// for, or abruptly by RST.
func (s *shard) leave(c *conn, abrupt bool) {
	if c.state != stateOpen {
		return
	}
	if abrupt {
		c.flags.set(flagAbrupt)
		c.state = stateLeaving
		s.drop(c)
		return
	}
	s.frame = codec.AppendMasked(s.frame[:0], ws.OpClose, goodbye, s.key())
	sent := s.send(c, s.frame)
	if c.state != stateOpen {
		return
	}
	c.state = stateLeaving
	if !sent {
		s.drop(c)
		return
	}
	by := s.now + int64(leaveTimeout)
	s.leaving.push(waiting{c, by})
	s.sooner(by)
}

// ends counts an established connection that ended, not at our wish, with its
// cause. Only the first cause of a connection counts.
func (s *shard) ends(c *conn, cause string) {
	if c.state != stateOpen {
		return
	}
	n := c.g.in(s.now)
	n.Counts.Closed++
	n.Cause(stats.Closed, cause, 1)
	c.state = stateLeaving
	c.flags.set(flagByeSeen)
	if st := c.g.sc.storm; st != nil && c.role == roleMember {
		st.lost(c)
	}
	c.g.remove(c)
}

// serverCloses answers the server's close frame.
func (s *shard) serverCloses(c *conn, payload []byte) {
	if c.state == stateLeaving {
		s.drop(c)
		return
	}
	s.ends(c, closeCause(payload))
	echo := payload
	if _, _, cerr := codec.ParseClose(payload); cerr != nil {
		echo = codec.AppendClose(nil, cerr.Code, cerr.Reason)[2:]
	} else if len(echo) > 2 {
		echo = echo[:2]
	}
	s.frame = codec.AppendMasked(s.frame[:0], ws.OpClose, echo, s.key())
	s.send(c, s.frame)
	s.drop(c)
}

// drop closes the socket. Its end is accounted for in closed.
func (s *shard) drop(c *conn) {
	if c.state == stateClosed {
		return
	}
	abrupt := c.flags.has(flagAbrupt)
	if c.tls != nil {
		s.closed(c, nil)
		c.tls.close(abrupt)
		return
	}
	if abrupt {
		_ = unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	_ = s.loop.Close(c.gc) // calls closed
}

// closed accounts for a connection whose socket is gone.
func (s *shard) closed(c *conn, err error) {
	was := c.state
	switch was {
	case stateClosed:
		return
	case stateOpen:
		s.ends(c, c.causeOf(err))
	}
	c.state = stateClosed
	s.dec.Release(&c.part)
	switch {
	case was == stateHandshake:
		cause := c.hs.bye
		if cause == "" {
			cause = "handshake: " + causeOf(err)
		}
		hs := c.hs
		c.hs = nil
		hs.attempt.fail(cause)
		return
	case was == stateLeaving && c.slot >= 0:
		c.g.in(s.now).Counts.Left++
		c.g.remove(c)
	}
	if c.role == rolePublisher {
		c.g.sc.pushes.closed(c)
	}
	if st := c.g.sc.storm; st != nil && c.role == roleMember {
		st.gone(c)
	}
}
