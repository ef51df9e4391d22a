package netpoll

import (
	"context"
	"errors"
	"net"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"
)

// handedConn is a connection given to the HTTP server: it reads the bytes that
// the reactor had read, then the socket.
type handedConn struct {
	net.Conn
	reactor *Reactor
	first   []byte
	closed  atomic.Bool
}

func (c *handedConn) Read(p []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		if len(c.first) == 0 {
			c.first = nil
		}
		return n, nil
	}
	return c.Conn.Read(p)
}

// Close closes the socket and frees its place among Options.MaxConns.
func (c *handedConn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	c.reactor.conns.Add(-1)
	return c.Conn.Close()
}

// adopted is the gnet context of a connection that comes back from the HTTP
// server with the bytes read so far.
type adopted struct{ first []byte }

// errNotHanded is returned by Adopt for connections that Handler.HTTP was not
// given.
var errNotHanded = errors.New("netpoll: connection was not handed over by this reactor")

// Adopt takes back a connection that Handler.HTTP was given, for instance when an
// upgrade follows other requests on it. first is what was read from it and not
// answered: a request and what follows. nc must not be used any more, whatever
// the result. Any goroutine; does not block.
func (r *Reactor) Adopt(nc net.Conn, first []byte) error {
	hc, ok := nc.(*handedConn)
	if !ok {
		return errNotHanded
	}
	shards := *r.shards.Load()
	s := shards[int(r.adoptions.Add(1))%len(shards)]
	first = append(first, hc.first...)
	if hc.closed.Swap(true) {
		return net.ErrClosed
	}
	r.conns.Add(-1)
	_, err := s.loop.Enroll(gnet.NewContext(context.Background(), &adopted{first}), hc.Conn)
	if err != nil {
		_ = hc.Conn.Close()
	}
	return err
}
