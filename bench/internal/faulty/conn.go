package faulty

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"carillon/codec"
)

// closeWait is how long the client has to answer a close frame.
const closeWait = time.Second

// readSize is the buffer of a connection.
const readSize = 4 << 10

// conn is one upgraded connection: a goroutine that reads and one that writes.
type conn struct {
	s     *Server
	nc    net.Conn
	user  string
	hub   bool
	early []byte // came in the segment of the request

	id int64 // from 1

	done     chan struct{} // closed with the socket
	shutting sync.Once
	wake     chan struct{}
	reading  chan struct{} // closed when nothing is read any more
	written  chan struct{} // closed when nothing is written any more

	mu        sync.Mutex
	queue     []item
	queued    int   // bytes in queue
	over      bool  // nothing more is queued
	ending    bool  // it is known why the connection ends, and counted
	held      *item // waits to be swapped
	heldTimer *time.Timer
	frames    int64 // sent on it
	last      int64 // the connection is closed after that many; 0: not chosen
}

func newConn(s *Server, nc net.Conn, user string, hub bool) *conn {
	return &conn{
		s: s, nc: nc, user: user, hub: hub, id: s.count.Upgraded.Add(1),
		done: make(chan struct{}), wake: make(chan struct{}, 1),
		reading: make(chan struct{}), written: make(chan struct{}),
	}
}

// run reads until the connection ends, and clears up.
func (c *conn) run() {
	c.read()
	close(c.reading)
	<-c.written
	c.leave()
}

// leave counts what is no longer sent and forgets the connection.
func (c *conn) leave() {
	c.shut()
	c.mu.Lock()
	c.over = true
	for _, it := range c.queue {
		c.s.count.Undelivered.Add(it.frames)
	}
	c.queue = nil
	if c.held != nil {
		c.releaseHeld(time.Time{})
	}
	c.mu.Unlock()
	c.s.registry.remove(c)
	c.s.count.Conns.Add(-1)
	c.s.places.Add(-1)
}

// read handles what the client sends until the connection ends.
func (c *conn) read() {
	dec := codec.NewDecoder(codec.DecoderOptions{MaxMessage: c.s.opt.MaxMessage, Binary: true})
	var partial *codec.Partial
	buf := make([]byte, max(readSize, len(c.early)))
	n := copy(buf, c.early)
	c.early = nil
	for {
		used, ok := c.handle(dec, &partial, buf[:n])
		if !ok {
			return
		}
		n = copy(buf, buf[used:n])
		if !c.mayRead() {
			return
		}
		m, err := c.nc.Read(buf[n:])
		n += m
		if m == 0 && err != nil {
			c.vanish()
			return
		}
	}
}

// mayRead waits while the server is told to read nothing. It reports whether
// the connection is still open.
func (c *conn) mayRead() bool {
	for {
		f := c.s.faults.Load()
		if !f.NoRead {
			return true
		}
		select {
		case <-f.replaced:
		case <-c.done:
			return false
		}
	}
}

// vanish counts the end of a connection that no close frame announced.
func (c *conn) vanish() {
	c.mu.Lock()
	if !c.ending {
		c.ending = true
		c.s.count.Vanished.Add(1)
	}
	c.mu.Unlock()
	c.shut()
}

// handle takes all whole frames of b and returns how many bytes that were, and
// whether the connection goes on.
func (c *conn) handle(dec *codec.Decoder, partial **codec.Partial, b []byte) (used int, ok bool) {
	for used < len(b) {
		m, n, bad := dec.Next(partial, false, b[used:])
		if bad != nil {
			dec.Release(partial)
			c.s.count.BadFrames.Add(1)
			c.end(Close{Code: int(bad.Code), Reason: bad.Reason})
			_, _ = io.Copy(io.Discard, c.nc) // until the client or the writer has closed the socket
			return used, false
		}
		if n == 0 {
			break
		}
		used += n
		switch m.Op {
		case ws.OpText, ws.OpBinary:
			c.message(m.Op, m.Payload)
		case ws.OpPing:
			c.enqueue(item{b: codec.AppendFrame(nil, ws.OpPong, m.Payload)})
		case ws.OpPong:
			if c.s.isOurs(m.Payload) {
				c.s.count.Pongs.Add(1)
			} else {
				c.s.count.BadPongs.Add(1)
			}
		case ws.OpClose:
			c.closed(m.Payload)
			return used, false
		}
	}
	return used, true
}

// message answers a text or binary message.
func (c *conn) message(op ws.OpCode, payload []byte) {
	s := c.s
	s.arrivals.record()
	s.count.Received.Add(1)
	s.count.ReceivedBytes.Add(int64(len(payload)))
	if s.opt.OnMessage != nil {
		s.opt.OnMessage(c.user, payload)
	}
	switch {
	case c.hub:
		s.count.Publishes.Add(1)
		s.toAll(s.encode(op, payload), func(other *conn) bool { return other.hub && other != c })
	case op == ws.OpText && codec.IsHeartbeat(payload):
		s.count.Heartbeats.Add(1)
		s.deliver(c, s.encode(ws.OpText, []byte(heartbeatAck)))
	default:
		s.deliver(c, s.encode(op, payload))
	}
}

const heartbeatAck = `{"type":"HEARTBEAT_ACK"}`

// closed handles the client's close frame: as the first one it is answered with
// its own payload, and ends the connection either way.
func (c *conn) closed(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ending {
		c.ending = true
		c.s.count.ClosedByYou.Add(1)
		c.push(item{b: codec.AppendFrame(nil, ws.OpClose, payload), end: endNow})
	}
}

// end closes the connection after what is queued.
func (c *conn) end(how Close) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finish(how)
}

// finish is end with c.mu held.
func (c *conn) finish(how Close) {
	if c.ending || c.over {
		return
	}
	c.ending = true
	if how.Abrupt {
		c.s.count.ResetByUs.Add(1)
		c.push(item{end: endReset})
		return
	}
	c.s.count.ClosedByUs.Add(1)
	code := codec.CloseCode(how.Code)
	if code == 0 {
		code = codec.CloseNoStatus
	}
	c.push(item{b: codec.AppendClose(nil, code, how.Reason), end: endAnswered})
}

// reachedItsEnd reports whether the connection has had as many frames as it is
// to have. With c.mu held.
func (c *conn) reachedItsEnd(mean int) bool {
	if c.last == 0 {
		c.last = 1 + rand.New(rand.NewPCG(c.s.opt.Seed, uint64(c.id))).Int64N(int64(2*mean-1))
	}
	return c.frames >= c.last
}

// abort ends the connection as the server is closed.
func (c *conn) abort() {
	c.mu.Lock()
	c.ending = true
	c.mu.Unlock()
	c.cut(false)
}

// shut closes the socket.
func (c *conn) shut() {
	c.shutting.Do(func() {
		close(c.done)
		_ = c.nc.Close()
	})
}

// cut closes the socket at once, by RST if wanted; TLS says no farewell, which
// could block.
func (c *conn) cut(rst bool) {
	if t, ok := tcpOf(c.nc); ok {
		if rst {
			_ = t.SetLinger(0)
		}
		_ = t.Close()
	}
	c.shut()
}
