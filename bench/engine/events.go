package engine

import (
	"errors"
	"io"

	"github.com/panjf2000/gnet/v2"
)

// events is gnet's handler of one loop.
type events struct {
	gnet.BuiltinEventEngine
	s *shard
}

// OnOpen takes a connection.
func (ev *events) OnOpen(gc gnet.Conn) ([]byte, gnet.Action) {
	if c, ok := gc.Context().(*conn); ok {
		c.gc, c.fd = gc, int32(gc.Fd())
		ev.s.now = ev.s.e.clock.now()
		ev.s.open(c)
	}
	return nil, gnet.None
}

// open begins to wait for the answer to a connection's request.
func (s *shard) open(c *conn) {
	c.g = s.groups[c.hs.attempt.sc.idx]
	s.shaking.push(waiting{c, c.hs.by})
	s.sooner(c.hs.by)
}

// OnTraffic handles what came in.
func (ev *events) OnTraffic(gc gnet.Conn) gnet.Action {
	s := ev.s
	c, ok := gc.Context().(*conn)
	if !ok {
		_, _ = gc.Discard(-1)
		if gc.Context() == alarmContext {
			s.due()
		} else {
			s.woken()
		}
		return gnet.None
	}
	b, _ := gc.Peek(-1)
	if len(b) == 0 {
		return gnet.None
	}
	s.now = s.e.clock.now()
	s.reading = c
	used := s.feed(c, b)
	s.reading = nil
	if used > 0 && c.state != stateClosed {
		_, _ = gc.Discard(used)
	}
	return gnet.None
}

// OnClose accounts for a connection that is gone.
func (ev *events) OnClose(gc gnet.Conn, err error) gnet.Action {
	c, ok := gc.Context().(*conn)
	if !ok {
		return gnet.None
	}
	s := ev.s
	s.now = s.e.clock.now()
	if err != nil && c.state == stateOpen && s.reading != c {
		// gnet may have closed it without a look at what had come, or at the error.
		if rerr := s.readRest(c); rerr != nil && !errors.Is(rerr, io.EOF) {
			err = rerr
		}
	}
	s.closed(c, err)
	return gnet.None
}
