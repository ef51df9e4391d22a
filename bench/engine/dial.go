package engine

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"carillon/bench/stats"
	"carillon/codec"
)

// maxDialing is how many connects of one engine are under way at once. A server
// that is slow to accept holds up the ramp beyond that, as it would hold up its
// clients; what waits counts from the time it was due.
const maxDialing = 1024

// dial is one attempt to connect.
type dial struct {
	sc   *scenario
	to   *endpoint
	id   int
	role role
	due  int64
	slow bool
	// ended hears how it came out, once: cause is "" when c is upgraded. It may be
	// called by any goroutine and must not block.
	ended func(d *dial, c *conn, cause string)
	tries int // of a storm: attempts before this one
	cycle int // of a storm: to which it belongs
}

// done reports the end of the attempt.
func (d *dial) done(c *conn, cause string) { d.ended(d, c, cause) }

// fail counts the attempt as failed and reports its end. Any goroutine.
func (d *dial) fail(cause string) {
	d.sc.count(d.due, func(t *stats.Totals) {
		t.Counts.ConnectFailed++
		t.Cause(stats.ConnectFailed, cause, 1)
	})
	d.done(nil, cause)
}

// causeEnded is the cause of attempts that were not brought to their end.
const causeEnded = "the run ended"

// dialers are the goroutines that connect.
type dialers struct {
	e       *Engine
	ctx     context.Context
	cancel  context.CancelFunc
	n       atomic.Uint64 // dials so far: picks source and target addresses
	wg      sync.WaitGroup
	mu      sync.Mutex
	off     bool
	waiting ring[*dial]
	running int
}

func newDialers(e *Engine) *dialers {
	ctx, cancel := context.WithCancel(context.Background())
	return &dialers{e: e, ctx: ctx, cancel: cancel}
}

// start queues an attempt. It never blocks. Any goroutine.
func (ds *dialers) start(d *dial) {
	d.sc.count(d.due, func(t *stats.Totals) { t.Counts.Connects++ })
	if !ds.queue(d) {
		d.fail(causeEnded)
	}
}

// queue is false when nothing is connected any more.
func (ds *dialers) queue(d *dial) bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.off {
		return false
	}
	ds.waiting.push(d)
	if ds.running < maxDialing {
		ds.running++
		ds.wg.Add(1)
		go ds.work()
	}
	return true
}

// next takes the next attempt; nil: this goroutine is not needed any more.
func (ds *dialers) next() *dial {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.waiting.size == 0 {
		ds.running--
		return nil
	}
	return ds.waiting.pop()
}

// work connects until nothing waits.
func (ds *dialers) work() {
	defer ds.wg.Done()
	for d := ds.next(); d != nil; d = ds.next() {
		if cause := ds.connect(d); cause != "" {
			d.fail(cause)
		}
	}
}

// stop ends all attempts and begins no more. It returns when no dialer is left.
func (ds *dialers) stop() {
	ds.mu.Lock()
	ds.off = true
	waiting := ds.waiting
	ds.waiting = ring[*dial]{}
	ds.mu.Unlock()
	ds.cancel()
	for waiting.size > 0 {
		waiting.pop().fail(causeEnded)
	}
	ds.wg.Wait()
}

// connect opens the socket, sends the request and hands the connection to a
// loop. The cause is "" once the loop has it; then the loop tells the end.
func (ds *dialers) connect(d *dial) (cause string) {
	e, sc := ds.e, d.sc
	n := ds.n.Add(1) - 1
	began := e.clock.now()
	deadline := time.Now().Add(sc.ConnectTimeout)
	ctx, cancel := context.WithDeadline(ds.ctx, deadline)
	defer cancel()
	dialer := net.Dialer{Control: controlDial, KeepAlive: -1}
	if sources := e.job.Sources; len(sources) > 0 {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(sources[n%uint64(len(sources))], 0))
	}
	raw, err := dialer.DialContext(ctx, "tcp", d.to.tcp(n).String())
	if err != nil {
		return "connect: " + dialCause(err)
	}
	connected := e.clock.now()
	sc.count(d.due, func(t *stats.Totals) { t.Hist(stats.TCP).Record(durationOf(connected - began)) })
	nc := raw.(*net.TCPConn)

	var nonce [16]byte
	binary.LittleEndian.PutUint64(nonce[:], rand.Uint64())
	binary.LittleEndian.PutUint64(nonce[8:], rand.Uint64())
	request, err := sc.request(d.to, d.id, nonce, e.job.Version)
	if err != nil {
		_ = nc.Close()
		return "request: " + err.Error()
	}
	accept := codec.AcceptOf(nonce)
	if d.slow {
		return sc.slow.connect(ctx, d, nc, request, accept, deadline)
	}
	c := &conn{id: int32(d.id), role: d.role, slot: -1}
	c.hs = &handshake{accept: accept, due: d.due, attempt: d, by: began + int64(sc.ConnectTimeout)}
	if d.to.tls {
		return ds.connectTLS(ctx, c, nc, request, deadline)
	}
	c.hs.asked = e.clock.now()
	if _, err = nc.Write(request); err != nil {
		_ = nc.Close()
		return "request: " + dialCause(err)
	}
	if _, err = e.shardOf(d).client.EnrollContext(nc, c); err != nil {
		return "client: " + dialCause(err)
	}
	return ""
}

// controlDial lets the kernel choose the port at connect(2), by all four parts of
// the address, so that one source address serves many targets.
func controlDial(_, _ string, rc syscall.RawConn) error {
	return rc.Control(func(fd uintptr) { setBindNoPort(int(fd)) })
}

// shardOf is the loop of an attempt's connection: members are spread evenly.
func (e *Engine) shardOf(d *dial) *shard { return e.shards[d.id%len(e.shards)] }
