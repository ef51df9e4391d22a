package engine

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"carillon/bench/stats"
	"carillon/codec"
)

// slowReader holds the connections that read slowly or not at all. One goroutine
// reads for all of them, so many bytes each per tick; the loops, which read
// whatever is there, have nothing to do with them.
type slowReader struct {
	e    *Engine
	sc   *scenario
	mu   sync.Mutex
	all  []*slowConn
	seen SlowSeen
	stop chan struct{}
	done chan struct{}
	dec  *codec.Decoder
	buf  []byte
}

// slowConn is one of them.
type slowConn struct {
	nc   *net.TCPConn
	part *codec.Partial
	hold []byte // read, but not a whole header yet
	owed float64
	over bool
}

// slowTick is how often the slow ones read.
const slowTick = 100 * time.Millisecond

// slowReceive is the receive buffer of slow connections in bytes: small, so that
// the server meets their slowness soon. The kernel doubles it.
const slowReceive = 16 << 10

func newSlowReader(e *Engine, sc *scenario) *slowReader {
	r := &slowReader{
		e: e, sc: sc, stop: make(chan struct{}), done: make(chan struct{}),
		dec: codec.NewDecoder(codec.DecoderOptions{MaxMessage: maxMessage, Binary: true, Client: true}),
		buf: make([]byte, 64<<10),
	}
	r.seen.Scenario = sc.idx
	go r.run()
	return r
}

// connect upgrades a connection by itself and takes it in. A dialer calls it.
func (r *slowReader) connect(d *dial, nc *net.TCPConn, request []byte, accept [codec.AcceptLen]byte, deadline time.Time) string {
	_ = nc.SetReadBuffer(slowReceive)
	_ = nc.SetDeadline(deadline)
	asked := r.e.clock.now()
	if _, err := nc.Write(request); err != nil {
		_ = nc.Close()
		return "request: " + dialCause(err)
	}
	rest, err := readResponse(nc, accept, r.sc.Subprotocol)
	if err != nil {
		_ = nc.Close()
		return handshakeCause(err)
	}
	now := r.e.clock.now()
	_ = nc.SetDeadline(time.Time{})
	r.sc.count(d.due, func(t *stats.Totals) {
		t.Counts.Connected++
		t.Hist(stats.Upgrade).Record(durationOf(now - asked))
		t.Hist(stats.Connect).Record(durationOf(now - d.due))
	})
	c := &slowConn{nc: nc, hold: rest}
	r.mu.Lock()
	r.all = append(r.all, c)
	r.seen.Clients++
	r.seen.Left++
	r.mu.Unlock()
	d.done(nil, "")
	return ""
}

// run reads, so much per tick.
func (r *slowReader) run() {
	defer close(r.done)
	if r.sc.Slow.Rate == 0 {
		<-r.stop
		return
	}
	t := time.NewTicker(slowTick)
	defer t.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-t.C:
			r.mu.Lock()
			for _, c := range r.all {
				c.owed = min(c.owed+float64(r.sc.Slow.Rate)*slowTick.Seconds(), float64(len(r.buf)))
				r.read(c, int(c.owed))
			}
			r.mu.Unlock()
		}
	}
}

// read takes up to n bytes of what is there; r.mu is held.
func (r *slowReader) read(c *slowConn, n int) (more bool) {
	if c.over || n <= 0 {
		return false
	}
	m, err := readNow(c.nc, r.buf[:n])
	c.owed -= float64(m)
	r.seen.Read += int64(m)
	b := append(c.hold, r.buf[:m]...)
	c.hold = nil
	for len(b) > 0 && !c.over {
		msg, used, cerr := r.dec.Next(&c.part, false, b)
		if cerr != nil {
			r.end(c, "protocol: "+cerr.Reason)
			break
		}
		if used == 0 {
			c.hold = append([]byte(nil), b...)
			break
		}
		b = b[used:]
		if msg.Op == ws.OpClose {
			code, reason, _ := codec.ParseClose(msg.Payload)
			text := "close " + code.String()
			if len(reason) > 0 {
				text += ": " + printable(reason)
			}
			r.end(c, text)
		}
	}
	if err != nil {
		r.end(c, causeOf(err))
	}
	return m == n && !c.over
}

// end counts a connection that the server closed; r.mu is held.
func (r *slowReader) end(c *slowConn, cause string) {
	if c.over {
		return
	}
	c.over = true
	r.dec.Release(&c.part)
	_ = c.nc.Close()
	r.seen.Closed++
	r.seen.Left--
	if r.seen.Causes == nil {
		r.seen.Causes = make(map[stats.Cause]int64)
	}
	if text := (stats.Cause{Kind: stats.Closed, Text: cause}); len(r.seen.Causes) < 100 || r.seen.Causes[text] > 0 {
		r.seen.Causes[text]++
	}
}

// finish reads what is there of every connection, to the end: only so does a
// client that did not read learn that it was closed.
func (r *slowReader) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.all {
		for until := time.Now().Add(time.Second); r.read(c, len(r.buf)) && time.Now().Before(until); {
			c.owed = 0
		}
	}
}

// close ends all of them.
func (r *slowReader) close() {
	close(r.stop)
	<-r.done
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.all {
		if !c.over {
			c.over = true
			_ = c.nc.Close()
		}
	}
}

// Slow returns what became of slow clients. Any goroutine.
func (e *Engine) Slow() (all []SlowSeen) {
	for _, sc := range e.scenarios {
		if sc.slow == nil {
			continue
		}
		sc.slow.mu.Lock()
		x := sc.slow.seen
		x.Causes = make(map[stats.Cause]int64, len(sc.slow.seen.Causes))
		for c, n := range sc.slow.seen.Causes {
			x.Causes[c] = n
		}
		sc.slow.mu.Unlock()
		all = append(all, x)
	}
	return all
}

// readResponse reads the answer to an upgrade request from a blocking connection.
// rest is what came behind it.
func readResponse(r io.Reader, accept [codec.AcceptLen]byte, protocol string) (rest []byte, err error) {
	var buf []byte
	chunk := make([]byte, 4<<10)
	for {
		n, rerr := r.Read(chunk)
		buf = append(buf, chunk[:n]...)
		res, used, err := codec.ScanResponse(buf, maxResponse)
		if err != nil {
			return nil, err
		}
		if used > 0 {
			return buf[used:], res.Check(accept, protocol)
		}
		if rerr != nil {
			return nil, rerr
		}
	}
}

// handshakeCause names why readResponse failed.
func handshakeCause(err error) string {
	var he *codec.HandshakeError
	switch {
	case errors.As(err, &he):
		return printable([]byte(he.Text))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout waiting for the upgrade"
	case errors.Is(err, io.EOF):
		return "handshake: closed without a close frame"
	}
	return "handshake: " + dialCause(err)
}
