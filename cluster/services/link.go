package services

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// pieceBytes is the most that passes a proxy at a time; piecesUnderWay is how
	// many pieces a delay or a blackhole holds before the sender is held back.
	pieceBytes     = 16 << 10
	piecesUnderWay = 64
)

// link is one connection through a proxy.
type link struct {
	proxy  *Proxy
	client net.Conn
	ctx    context.Context // ends with the link
	cancel context.CancelFunc

	mu     sync.Mutex
	server net.Conn // nil until dialled
	closed bool
}

// piece is what was read at a time.
type piece struct {
	data []byte
	due  time.Time
	end  error // why nothing comes after it
}

func (k *link) run() {
	defer k.close(FIN)
	if !k.wait() {
		return
	}
	var d net.Dialer
	server, err := d.DialContext(k.ctx, "tcp", k.proxy.target)
	if err != nil {
		k.close(RST)
		return
	}
	k.mu.Lock()
	k.server = server
	closed := k.closed
	k.mu.Unlock()
	if closed {
		_ = server.Close()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { k.pump(ToServer, k.client, server) })
	both.Go(func() { k.pump(ToClient, server, k.client) })
	both.Wait()
}

// pump forwards one direction until it ends. An orderly end leaves the other
// direction open.
func (k *link) pump(d Direction, from, to net.Conn) {
	pieces := make(chan piece, piecesUnderWay)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(pieces)
		for {
			data := make([]byte, pieceBytes)
			n, err := from.Read(data)
			select {
			case pieces <- piece{data: data[:n], due: time.Now().Add(time.Duration(k.proxy.delay[d].Load())), end: err}:
			case <-k.ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	})
	for p := range pieces {
		if !k.deliver(d, p, to) {
			break
		}
	}
	reader.Wait()
}

// deliver writes a piece when its time has come, and tells whether to go on.
func (k *link) deliver(d Direction, p piece, to net.Conn) bool {
	if late := time.Until(p.due); late > 0 {
		timer := time.NewTimer(late)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-k.ctx.Done():
			return false
		}
	}
	if !k.wait() {
		return false
	}
	if len(p.data) > 0 {
		n, cut := k.proxy.admit(d, len(p.data))
		_, err := to.Write(p.data[:n])
		if cut {
			k.proxy.cutNow()
			k.close(RST)
			return false
		}
		if err != nil {
			k.close(RST)
			return false
		}
	}
	switch {
	case p.end == nil:
		return true
	case errors.Is(p.end, io.EOF):
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	default:
		k.close(RST)
	}
	return false
}

// wait waits while there is a blackhole, and tells whether the link is still open.
func (k *link) wait() bool {
	for {
		hole := k.proxy.hole()
		if hole == nil {
			return k.ctx.Err() == nil
		}
		select {
		case <-hole:
		case <-k.ctx.Done():
			return false
		}
	}
}

// close closes both sides. The first call decides how.
func (k *link) close(e Ending) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	k.closed = true
	k.cancel()
	for _, c := range []net.Conn{k.client, k.server} {
		if c == nil {
			continue
		}
		if t, ok := c.(*net.TCPConn); ok && e == RST {
			_ = t.SetLinger(0)
		}
		_ = c.Close()
	}
}
