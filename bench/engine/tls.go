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
	s  *shard

	mu     sync.Mutex
	out    []byte // to be written
	busy   bool   // a writer goroutine is under way
	closed bool
	taken  chan struct{} // the loop has taken what was read
}

// connectTLS is connect from the TCP connection on.
func (ds *dialers) connectTLS(ctx context.Context, d *dial, c *conn, nc *net.TCPConn, request []byte, deadline time.Time) string {
	e, sc := ds.e, d.sc
	tc := tls.Client(nc, e.tlsConfig(sc.host.name))
	began := e.clock.now()
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return "tls: " + dialCause(err)
	}
	c.hs.asked = e.clock.now()
	sc.count(d.due, func(t *stats.Totals) { t.Hist(stats.TLS).Record(durationOf(c.hs.asked - began)) })
	_ = nc.SetDeadline(deadline)
	if _, err := tc.Write(request); err != nil {
		_ = nc.Close()
		return "request: " + dialCause(err)
	}
	_ = nc.SetDeadline(time.Time{})
	s := e.shards[ds.n.Load()%uint64(len(e.shards))]
	c.tls = &tlsConn{tc: tc, s: s, taken: make(chan struct{}, 1)}
	if !e.tlsConns.add(c.tls) || !s.post(func() { s.now = e.clock.now(); s.open(c) }) {
		e.tlsConns.remove(c.tls)
		_ = nc.Close()
		return "run ended"
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
		gone := err != nil
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
			gone = true
		}
		if gone {
			break
		}
		have = copy(buf, buf[used:have])
	}
	t.close()
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
			t.close()
		}
	}
}

// close ends the connection; what is queued is given a moment to leave.
func (t *tlsConn) close() {
	t.mu.Lock()
	first := !t.closed
	t.closed = true
	writing := t.busy
	t.mu.Unlock()
	if !first {
		return
	}
	if writing {
		_ = t.tc.SetWriteDeadline(time.Now().Add(time.Second))
		time.AfterFunc(100*time.Millisecond, func() { _ = t.tc.NetConn().Close() })
		return
	}
	_ = t.tc.NetConn().Close()
}

// tlsSet is every open connection over TLS.
type tlsSet struct {
	mu  sync.Mutex
	all map[*tlsConn]struct{}
	off bool
}

// add is false when the engine has ended.
func (t *tlsSet) add(c *tlsConn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.off {
		return false
	}
	if t.all == nil {
		t.all = make(map[*tlsConn]struct{})
	}
	t.all[c] = struct{}{}
	return true
}

func (t *tlsSet) remove(c *tlsConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, c)
}

// closeAll ends them all.
func (t *tlsSet) closeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.off = true
	for c := range t.all {
		_ = c.tc.NetConn().Close()
	}
}
