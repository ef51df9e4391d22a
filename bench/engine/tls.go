package engine

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"carillon/bench/stats"
)

// tlsConn carries a connection over TLS. gnet has no TLS, so that these have a
// goroutine each, which reads records and hands what was in them to the loop;
// one connection takes some 40 KB.
type tlsConn struct {
	tc *tls.Conn
	nc *net.TCPConn
	s  *shard

	mu     sync.Mutex
	out    []byte // to be written
	busy   bool   // a writer goroutine is under way
	closed bool
	taken  chan struct{} // the loop has taken what was read
}

// handshakeTLS does the TLS handshake of an attempt.
func (ds *dialers) handshakeTLS(ctx context.Context, d *dial, nc net.Conn) (*tls.Conn, error) {
	tc := tls.Client(nc, ds.e.tlsConfig(d.to.name))
	began := ds.e.clock.now()
	if err := tc.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	took := durationOf(ds.e.clock.now() - began)
	d.sc.count(d.due, func(t *stats.Totals) { t.Hist(stats.TLS).Record(took) })
	return tc, nil
}

// connectTLS is connect from the TCP connection on.
func (ds *dialers) connectTLS(ctx context.Context, c *conn, nc *net.TCPConn, request []byte, deadline time.Time) string {
	e := ds.e
	tc, err := ds.handshakeTLS(ctx, c.hs.attempt, nc)
	if err != nil {
		_ = nc.Close()
		return "tls: " + dialCause(err)
	}
	c.hs.asked = e.clock.now()
	_ = nc.SetDeadline(deadline)
	if _, err := tc.Write(request); err != nil {
		_ = nc.Close()
		return "request: " + dialCause(err)
	}
	_ = nc.SetDeadline(time.Time{})
	s := e.shardOf(c.hs.attempt)
	c.tls = &tlsConn{tc: tc, nc: nc, s: s, taken: make(chan struct{}, 1)}
	e.tlsConns.add(c.tls)
	if !s.post(func() { s.now = e.clock.now(); s.open(c) }) {
		e.tlsConns.remove(c.tls)
		_ = nc.Close()
		return causeEnded
	}
	e.readers.Add(1)
	go c.tls.read(c)
	return ""
}

// tlsConfig is the TLS configuration for a host.
func (e *Engine) tlsConfig(host string) *tls.Config {
	return &tls.Config{ServerName: host, InsecureSkipVerify: e.job.Plan.Insecure, NextProtos: []string{"http/1.1"}, ClientSessionCache: e.sessions}
}

// read hands what comes to the loop, until the connection ends.
func (t *tlsConn) read(c *conn) {
	defer t.s.e.readers.Done()
	defer t.s.e.tlsConns.remove(t)
	buf := make([]byte, 8<<10)
	have := 0
	for {
		if have == len(buf) {
			buf = append(buf, make([]byte, len(buf))...)
		}
		n, err := t.tc.Read(buf[have:])
		have += n
		gone := err != nil // not written to again: the loop reads it
		used := 0
		posted := t.s.post(func() {
			t.s.now = t.s.e.clock.now()
			if c.state != stateClosed && have > 0 {
				used = t.s.feed(c, buf[:have])
			}
			if gone {
				t.s.closed(c, err)
			}
			t.taken <- struct{}{}
		})
		if !posted {
			break
		}
		select {
		case <-t.taken:
		case <-t.s.e.stopped:
			t.close(false)
			return
		}
		if gone {
			break
		}
		have = copy(buf, buf[used:have])
	}
	t.close(false)
}

// send queues a frame; one goroutine at a time writes what is queued.
func (t *tlsConn) send(frame []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.out)+len(frame) > maxUnsent {
		return false
	}
	t.out = append(t.out, frame...)
	if !t.busy {
		t.busy = true
		t.s.e.readers.Add(1)
		go t.write()
	}
	return true
}

// write writes until nothing is queued.
func (t *tlsConn) write() {
	defer t.s.e.readers.Done()
	for {
		t.mu.Lock()
		b := t.out
		t.out = nil
		if len(b) == 0 {
			t.busy = false
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		if _, err := t.tc.Write(b); err != nil {
			t.close(false)
		}
	}
}

// close ends the connection; what is queued is given a moment to leave, unless it
// ends abruptly, by RST.
func (t *tlsConn) close(abrupt bool) {
	t.mu.Lock()
	first := !t.closed
	t.closed = true
	writing := t.busy
	t.mu.Unlock()
	switch {
	case !first:
	case abrupt:
		_ = t.nc.SetLinger(0)
		_ = t.nc.Close()
	case writing:
		_ = t.nc.SetWriteDeadline(time.Now().Add(lastWords))
		time.AfterFunc(lastWords, func() { _ = t.nc.Close() })
	default:
		_ = t.nc.Close()
	}
}

// lastWords is how long a close frame over TLS has to leave.
const lastWords = 100 * time.Millisecond

// tlsSet is every open connection over TLS.
type tlsSet struct {
	mu  sync.Mutex
	all map[*tlsConn]struct{}
}

func (t *tlsSet) add(c *tlsConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = make(map[*tlsConn]struct{})
	}
	t.all[c] = struct{}{}
}

func (t *tlsSet) remove(c *tlsConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, c)
}

// closeAll ends them all. None is added any more.
func (t *tlsSet) closeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.all {
		_ = c.nc.Close()
	}
}
