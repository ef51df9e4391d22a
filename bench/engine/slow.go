package engine

import (
	"context"
	"errors"
	"io"
	"maps"
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
	off  bool
	stop chan struct{}
	done chan struct{}
	dec  *codec.Decoder
	buf  []byte
}

// slowConn is one of them.
type slowConn struct {
	tap  *tap
	rw   io.ReadWriter // the tap, or TLS over it
	part *codec.Partial
	hold []byte // read, but not a whole header yet
	owed float64
	over bool
}

// Bounds of slow clients.
const (
	// slowTick is how often they read.
	slowTick = 100 * time.Millisecond
	// slowReceive is their receive buffer in bytes: small, so that the server meets
	// their slowness soon. The kernel doubles it.
	slowReceive = 16 << 10
	// finishMost bounds how long what the server had for them is read at the end,
	// finishQuiet how long nothing has to come before that is all.
	finishMost  = 2 * time.Second
	finishQuiet = 100 * time.Millisecond
	// slowWrite is how long a control frame of ours may take.
	slowWrite = 10 * time.Millisecond
)

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
func (r *slowReader) connect(ctx context.Context, d *dial, nc *net.TCPConn, request []byte, accept [codec.AcceptLen]byte, deadline time.Time) string {
	cut := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer cut()
	c := &slowConn{tap: &tap{TCPConn: nc}}
	c.rw = c.tap
	_ = nc.SetReadBuffer(slowReceive)
	_ = nc.SetDeadline(deadline)
	if d.to.tls {
		tc, err := r.e.dialers.handshakeTLS(ctx, d, c.tap)
		if err != nil {
			_ = nc.Close()
			return "tls: " + dialCause(err)
		}
		c.rw = tc
	}
	asked := r.e.clock.now()
	if _, err := c.rw.Write(request); err != nil {
		_ = nc.Close()
		return "request: " + dialCause(err)
	}
	var err error
	if c.hold, err = readResponse(c.rw, accept, r.sc.Subprotocol); err != nil {
		_ = nc.Close()
		return handshakeCause(err)
	}
	now := r.e.clock.now()
	if !cut() {
		_ = nc.Close()
		return causeEnded
	}
	_ = nc.SetDeadline(time.Time{})
	c.tap.drips = true
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.off {
		_ = nc.Close()
		return causeEnded
	}
	r.sc.count(d.due, func(t *stats.Totals) {
		t.Counts.Connected++
		t.Hist(stats.Upgrade).Record(durationOf(now - asked))
		t.Hist(stats.Connect).Record(durationOf(now - d.due))
	})
	r.sc.open.Add(1)
	r.all = append(r.all, c)
	r.seen.Clients++
	r.seen.Left++
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
	for last := time.Now(); ; {
		select {
		case <-r.stop:
			return
		case now := <-t.C:
			r.mu.Lock()
			for _, c := range r.all {
				c.owed = min(c.owed+float64(r.sc.Slow.Rate)*now.Sub(last).Seconds(), float64(r.sc.Slow.Rate))
				n := r.read(c, int(c.owed))
				c.owed -= float64(n)
				r.seen.Read += int64(n)
			}
			r.mu.Unlock()
			last = now
		}
	}
}

// read takes up to n bytes of what is there, and returns how many they were; r.mu
// is held.
func (r *slowReader) read(c *slowConn, n int) (got int) {
	c.tap.left = n
	for !c.over {
		m, err := c.rw.Read(r.buf)
		r.feed(c, r.buf[:m])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			r.end(c, causeOf(err))
		}
	}
	return n - c.tap.left
}

// feed looks at what was read; r.mu is held.
func (r *slowReader) feed(c *slowConn, b []byte) {
	b = append(c.hold, b...)
	c.hold = nil
	for len(b) > 0 && !c.over {
		msg, used, cerr := r.dec.Next(&c.part, false, b)
		if cerr != nil {
			r.end(c, "protocol: "+cerr.Reason)
			return
		}
		if used == 0 {
			c.hold = append([]byte(nil), b...)
			return
		}
		b = b[used:]
		switch msg.Op {
		case ws.OpPing:
			c.say(ws.OpPong, msg.Payload)
		case ws.OpClose:
			r.end(c, closeCause(msg.Payload))
		}
	}
}

// say sends a control frame, if the server takes it.
func (c *slowConn) say(op ws.OpCode, payload []byte) {
	_ = c.tap.SetWriteDeadline(time.Now().Add(slowWrite))
	_, _ = c.rw.Write(codec.AppendMasked(nil, op, payload, [4]byte{1, 2, 3, 4}))
}

// end counts a connection that the server closed; r.mu is held.
func (r *slowReader) end(c *slowConn, cause string) {
	if c.over {
		return
	}
	r.shut(c)
	r.sc.count(r.e.clock.now(), func(t *stats.Totals) {
		t.Counts.Closed++
		t.Cause(stats.Closed, cause, 1)
	})
	r.seen.Closed++
	r.seen.Left--
	if r.seen.Causes == nil {
		r.seen.Causes = make(map[stats.Cause]int64)
	}
	key := stats.Cause{Kind: stats.Closed, Text: cause}
	if len(r.seen.Causes) >= mostSlowCauses && r.seen.Causes[key] == 0 {
		key.Text = "other"
	}
	r.seen.Causes[key]++
}

// mostSlowCauses bounds the distinct causes; servers can invent close reasons.
const mostSlowCauses = 100

// shut closes a connection; r.mu is held.
func (r *slowReader) shut(c *slowConn) {
	c.over = true
	r.dec.Release(&c.part)
	r.sc.open.Add(-1)
	_ = c.tap.Close()
}

// finish reads what there is of every connection, to the end: only so does a
// client that did not read learn that it was closed. It does not count as read.
func (r *slowReader) finish() {
	began := time.Now()
	for last := began; time.Since(began) < finishMost && time.Since(last) < finishQuiet; {
		r.mu.Lock()
		for _, c := range r.all {
			if !c.over && r.read(c, len(r.buf)) > 0 {
				last = time.Now()
			}
		}
		r.mu.Unlock()
		if !r.e.sleepUntil(r.e.clock.now() + int64(5*time.Millisecond)) {
			return
		}
	}
}

// leave ends all of them with a close frame; what of it the server takes.
func (r *slowReader) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.off = true
	for _, c := range r.all {
		if c.over {
			continue
		}
		c.say(ws.OpClose, goodbye)
		r.shut(c)
		r.sc.count(r.e.clock.now(), func(t *stats.Totals) { t.Counts.Left++ })
	}
}

// close ends all of them at once.
func (r *slowReader) close() {
	close(r.stop)
	<-r.done
	r.mu.Lock()
	defer r.mu.Unlock()
	r.off = true
	for _, c := range r.all {
		if !c.over {
			r.shut(c)
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
		x.Causes = maps.Clone(x.Causes)
		sc.slow.mu.Unlock()
		all = append(all, x)
	}
	return all
}
