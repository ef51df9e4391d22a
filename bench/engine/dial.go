package engine

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"carillon/bench/plan"
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
	id   int
	role role
	due  int64
	slow bool
	// ended hears how it came out, once: cause is "" when c is upgraded. It may be
	// called by any goroutine and must not block.
	ended func(d *dial, c *conn, cause string)
	tries int // of a storm: attempts before this one
}

// done reports the end of the attempt.
func (d *dial) done(c *conn, cause string) { d.ended(d, c, cause) }

// dialers are the goroutines that connect.
type dialers struct {
	e       *Engine
	ctx     context.Context
	cancel  context.CancelFunc
	n       atomic.Uint64 // dials so far: picks source and target addresses
	wg      sync.WaitGroup
	mu      sync.Mutex
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
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.ctx.Err() != nil {
		return
	}
	ds.waiting.push(d)
	if ds.running < maxDialing {
		ds.running++
		ds.wg.Add(1)
		go ds.work()
	}
}

// work connects until nothing waits.
func (ds *dialers) work() {
	defer ds.wg.Done()
	for {
		ds.mu.Lock()
		if ds.waiting.size == 0 || ds.ctx.Err() != nil {
			ds.running--
			ds.mu.Unlock()
			return
		}
		d := ds.waiting.pop()
		ds.mu.Unlock()
		if cause := ds.connect(d); cause != "" {
			d.sc.count(d.due, func(t *stats.Totals) {
				t.Counts.ConnectFailed++
				t.Cause(stats.ConnectFailed, cause, 1)
			})
			d.done(nil, cause)
		}
	}
}

// stop ends all attempts.
func (ds *dialers) stop() {
	ds.cancel()
	ds.wg.Wait()
}

// connect opens the socket, sends the request and hands the connection to a
// loop. The cause is "" once the loop has it; then the loop tells the end.
func (ds *dialers) connect(d *dial) (cause string) {
	e, sc := ds.e, d.sc
	n := ds.n.Add(1) - 1
	deadline := time.Now().Add(sc.ConnectTimeout)
	ctx, cancel := context.WithDeadline(ds.ctx, deadline)
	defer cancel()
	dialer := net.Dialer{Control: controlDial, KeepAlive: -1}
	if len(e.job.Sources) > 0 {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(e.job.Sources[n%uint64(len(e.job.Sources))], 0))
	}
	began := e.clock.now()
	raw, err := dialer.DialContext(ctx, "tcp", sc.host.tcp(int(n)).String())
	if err != nil {
		return "connect: " + dialCause(err)
	}
	connected := e.clock.now()
	sc.count(d.due, func(t *stats.Totals) { t.Hist(stats.TCP).Record(durationOf(connected - began)) })
	nc := raw.(*net.TCPConn)

	c := &conn{id: int32(d.id), role: d.role, slot: -1, hs: &handshake{due: d.due, attempt: d}}
	var nonce [16]byte
	binary.LittleEndian.PutUint64(nonce[:], rand.Uint64())
	binary.LittleEndian.PutUint64(nonce[8:], rand.Uint64())
	c.hs.accept = codec.AcceptOf(nonce)
	request, err := sc.request(d.id, nonce, e.job.Version)
	if err != nil {
		_ = nc.Close()
		return "request: " + err.Error()
	}
	if d.slow {
		return sc.slow.connect(d, nc, request, c.hs.accept, deadline)
	}
	if sc.tls {
		return ds.connectTLS(ctx, d, c, nc, request, deadline)
	}
	c.hs.asked = e.clock.now()
	if _, err = nc.Write(request); err != nil {
		_ = nc.Close()
		return "request: " + dialCause(err)
	}
	if _, err = e.client.EnrollContext(nc, c); err != nil {
		return "client: " + err.Error()
	}
	return ""
}

// request makes the upgrade request of a connection.
func (sc *scenario) request(id int, nonce [16]byte, version string) ([]byte, error) {
	v := plan.Values{ID: id + sc.FirstID}
	v.User = string(sc.user.Append(nil, &v))
	token, err := sc.tokens.Token(id, v.User)
	if err != nil {
		return nil, err
	}
	v.Token = token
	var headers [][2]string
	for _, h := range sc.headers {
		headers = append(headers, [2]string{h.name, string(h.value.Append(nil, &v))})
	}
	return sc.appendRequest(nil, sc.path.Append(nil, &v), nonce, version, headers), nil
}

// controlDial lets the kernel choose the port at connect(2), by all four parts of
// the address, so that one source address serves many targets.
func controlDial(_, _ string, rc syscall.RawConn) error {
	return rc.Control(func(fd uintptr) { setBindNoPort(int(fd)) })
}

// dialCause names why a connect failed.
func dialCause(err error) string {
	var unknown *tls.CertificateVerificationError
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return "reset by peer"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return "no free port on this machine"
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return "no free descriptor on this machine"
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH):
		return "unreachable"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, unix.ETIMEDOUT):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "run ended"
	case errors.Is(err, io.EOF):
		return "closed by the server"
	case errors.As(err, &unknown):
		return "certificate: " + printable([]byte(unknown.Err.Error()))
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return printable([]byte(text))
}
