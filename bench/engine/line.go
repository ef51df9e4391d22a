package engine

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// line is a publisher's connection to an HTTP interface. It has one request under
// way at most, and is kept between requests.
type line struct {
	dial func(context.Context) (*net.TCPConn, error)
	tls  *tls.Config // nil: plain

	nc *net.TCPConn // nil: there is none
	br *bufio.Reader
	bw *bufio.Writer

	mu  sync.Mutex
	cut *net.TCPConn // what cutOff closes
	off bool
}

// maxAnswer bounds the body of an answer, in bytes.
const maxAnswer = 1 << 20

var errLineOff = errors.New(causeEnded)

// do sends a request and reads the answer.
func (l *line) do(req *fasthttp.Request, res *fasthttp.Response, timeout time.Duration) (err error) {
	deadline := time.Now().Add(timeout)
	defer func() {
		if err != nil || res.ConnectionClose() {
			l.close()
		}
	}()
	if l.stale() {
		l.close()
	}
	if l.nc == nil {
		if err = l.connect(deadline); err != nil {
			return err
		}
	}
	if err = l.nc.SetDeadline(deadline); err != nil {
		return err
	}
	if err = req.Write(l.bw); err != nil {
		return err
	}
	if err = l.bw.Flush(); err != nil {
		return err
	}
	return res.ReadLimitBody(l.br, maxAnswer)
}

// stale tells that the server has closed the connection since the last request,
// as servers do after a while. What it said over TLS is not looked at: the end of
// the connection comes with it.
func (l *line) stale() bool {
	if l.nc == nil || l.br.Buffered() > 0 {
		return l.nc != nil
	}
	var b [1]byte
	n, err := readNow(l.nc, b[:])
	return n > 0 || err != nil
}

func (l *line) connect(deadline time.Time) error {
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	nc, err := l.dial(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.cut = nc
	off := l.off
	l.mu.Unlock()
	l.nc = nc
	if off {
		return errLineOff
	}
	var rw net.Conn = nc
	if l.tls != nil {
		tc := tls.Client(nc, l.tls)
		if err = tc.HandshakeContext(ctx); err != nil {
			return err
		}
		rw = tc
	}
	l.br, l.bw = bufio.NewReader(rw), bufio.NewWriter(rw)
	return nil
}

// close closes the connection, if there is one.
func (l *line) close() {
	if l.nc == nil {
		return
	}
	l.mu.Lock()
	l.cut = nil
	l.mu.Unlock()
	_ = l.nc.Close()
	l.nc = nil
}

// cutOff ends what is under way, and all that follows. Any goroutine.
func (l *line) cutOff() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off = true
	if l.cut != nil {
		_ = l.cut.Close()
	}
}
