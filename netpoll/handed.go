package netpoll

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
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
type adopted struct {
	first []byte
	taken bool // by OnOpen, with the place among MaxConns; read when enroll has returned
}

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
	first = slices.Concat(first, hc.first)
	if hc.closed.Swap(true) {
		return net.ErrClosed
	}
	shards := *r.shards.Load()
	s := shards[int(r.adoptions.Add(1))%len(shards)]
	ok = r.enrolments.run(func() {
		v := &adopted{first: first}
		_ = r.enroll(s, hc.Conn, v)
		// What enroll returned does not tell: the loop may have ended with the
		// connection, or gnet may have failed to watch it, which it keeps to itself.
		if !v.taken {
			_ = hc.Conn.Close()
			r.conns.Add(-1)
		}
	})
	if !ok {
		_ = hc.Conn.Close()
		r.conns.Add(-1)
		return ErrStopped
	}
	return nil
}

// enroll gives a connection to a loop, with v as its context, and waits until the
// loop has taken it.
func (r *Reactor) enroll(s *Shard, nc net.Conn, v any) error {
	r.gnetDue.Add(1)
	defer r.gnetDue.Add(-1)
	s.endRest()
	res, err := s.loop.Enroll(gnet.NewContext(context.Background(), v), nc)
	if err != nil {
		return err
	}
	select {
	case v := <-res:
		return v.Err
	case <-r.loopsDone:
		return ErrStopped
	}
}

// enrolments are connections on their way to a loop. Few are under way at a
// time: each has two descriptors for the moment, and there must always be one
// left for gnet to accept with, see reserveFDs.
type enrolments struct {
	mu      sync.Mutex
	waiting []func()
	running int
	closed  bool
	idle    sync.WaitGroup
}

// maxEnrolments is how many are under way at a time.
const maxEnrolments = 16

// run runs f on a goroutine, soon; it returns false, and does not, when closed.
func (e *enrolments) run(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.waiting = append(e.waiting, f)
	if e.running < maxEnrolments {
		e.running++
		e.idle.Add(1)
		go e.work()
	}
	return true
}

func (e *enrolments) work() {
	defer e.idle.Done()
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.waiting) > 0 {
		f := e.waiting[0]
		e.waiting = e.waiting[1:]
		e.mu.Unlock()
		f()
		e.mu.Lock()
	}
	e.running--
}

// close waits for those under way and refuses further ones.
func (e *enrolments) close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.idle.Wait()
}
