package engine

import (
	"errors"
	"io"

	"github.com/panjf2000/gnet/v2"
)

// events is gnet's handler.
type events struct {
	gnet.BuiltinEventEngine
	e *Engine
}

// OnOpen takes a connection on its loop.
func (ev *events) OnOpen(gc gnet.Conn) ([]byte, gnet.Action) {
	if c, ok := gc.Context().(*conn); ok {
		s := ev.e.byLoop[gc.EventLoop()]
		c.gc, c.fd = gc, int32(gc.Fd())
		s.now = ev.e.clock.now()
		s.open(c)
	}
	return nil, gnet.None
}

// open begins to wait for the answer to a connection's request.
func (s *shard) open(c *conn) {
	c.g = s.groups[c.hs.attempt.sc.idx]
	s.shaking.push(waiting{c, c.hs.by})
}

// OnTraffic handles what came in.
func (ev *events) OnTraffic(gc gnet.Conn) gnet.Action {
	switch c := gc.Context().(type) {
	case *conn:
		b, _ := gc.Peek(-1)
		if len(b) == 0 {
			return gnet.None
		}
		s := c.g.s
		s.now = ev.e.clock.now()
		s.reading = c
		used := s.feed(c, b)
		s.reading = nil
		if used > 0 && c.state != stateClosed {
			_, _ = gc.Discard(used)
		}
	case wakeConn:
		_, _ = gc.Discard(-1)
		c.s.run()
	}
	return gnet.None
}

// OnClose accounts for a connection that is gone.
func (ev *events) OnClose(gc gnet.Conn, err error) gnet.Action {
	if c, ok := gc.Context().(*conn); ok {
		s := c.g.s
		s.now = ev.e.clock.now()
		if c.state == stateOpen && s.reading != c && err != nil && !errors.Is(err, io.EOF) {
			s.readRest(c, gc)
		}
		s.closed(c, err)
	}
	return gnet.None
}

// readRest reads what the server had sent before a send of ours failed, which
// gnet does not look at any more: the server's close frame may be in it.
func (s *shard) readRest(c *conn, gc gnet.Conn) {
	held, _ := gc.Peek(-1)
	b := append([]byte(nil), held...)
	chunk := make([]byte, 16<<10)
	for c.state == stateOpen {
		n, err := readFD(int(c.fd), chunk)
		b = append(b, chunk[:n]...)
		b = b[s.feed(c, b):]
		if n == 0 || err != nil {
			return
		}
	}
}
