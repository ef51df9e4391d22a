package services

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Ending is how a Proxy closes connections.
type Ending uint8

// The endings.
const (
	FIN Ending = iota // an orderly close
	RST               // a reset, as of a host that has crashed
)

// Direction is one of the two of a connection.
type Direction uint8

// The directions.
const (
	ToServer Direction = iota
	ToClient
)

// Proxy is a TCP proxy before one address, which fails on request. Any goroutine.
type Proxy struct {
	target string
	port   int
	bytes  [2]atomic.Int64
	delay  [2]atomic.Int64 // as a time.Duration

	mu        sync.Mutex
	listener  net.Listener  // nil while it refuses
	blackhole chan struct{} // closed when it ends; nil when there is none
	links     map[*link]struct{}
	cut       cutAfter
	closed    bool
	running   sync.WaitGroup
}

// cutAfter is a cut that comes when so many bytes more have passed.
type cutAfter struct {
	set    bool
	left   int64
	ending Ending
}

// StartProxy listens on a free port and forwards every connection to target.
func StartProxy(target string) (*Proxy, error) {
	for try := 1; ; try++ {
		p := &Proxy{target: target, links: map[*link]struct{}{}}
		var err error
		if p.port, err = takePort(); err != nil {
			return nil, err
		}
		err = p.listen()
		if err == nil {
			return p, nil
		}
		freePort(p.port)
		if try == startTries {
			return nil, err
		}
	}
}

// Addr returns host:port.
func (p *Proxy) Addr() string { return address(p.port) }

// Bytes returns how many bytes have passed.
func (p *Proxy) Bytes(d Direction) int64 { return p.bytes[d].Load() }

// Connections returns how many connections there are.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// Cut closes all connections. New ones are taken.
func (p *Proxy) Cut(e Ending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutLinks(e)
}

// CutAfter closes all connections when n bytes more have passed, in both directions
// together: not one byte more does.
func (p *Proxy) CutAfter(n int64, e Ending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cutAfter{set: true, left: n, ending: e}
}

// Refuse closes all connections and refuses new ones, as a host does on which
// nothing listens, until Restore.
func (p *Proxy) Refuse(e Ending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	p.cutLinks(e)
}

// Blackhole keeps connections open, and takes new ones, but nothing passes, closes
// included, until Restore: then everything arrives late, as it does when a network
// heals.
func (p *Proxy) Blackhole() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.blackhole == nil {
		p.blackhole = make(chan struct{})
	}
}

// Delay makes what comes from now on in one direction arrive so much later, without
// making it slower, until Restore.
func (p *Proxy) Delay(d Direction, by time.Duration) { p.delay[d].Store(int64(by)) }

// Restore ends every fault.
func (p *Proxy) Restore() error {
	p.mu.Lock()
	if p.blackhole != nil {
		close(p.blackhole)
		p.blackhole = nil
	}
	p.cut = cutAfter{}
	p.delay[ToServer].Store(0)
	p.delay[ToClient].Store(0)
	refusing := p.listener == nil && !p.closed
	p.mu.Unlock()
	if refusing {
		return p.listen()
	}
	return nil
}

// Close ends the proxy and its connections.
func (p *Proxy) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	p.Refuse(RST)
	p.running.Wait()
	freePort(p.port)
	return nil
}

func (p *Proxy) listen() error {
	l, err := net.Listen("tcp", address(p.port))
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.listener != nil {
		return errors.Join(errors.New("proxy is closed or listens already"), l.Close())
	}
	p.listener = l
	p.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.take(l, c)
		}
	})
	return nil
}

// take adds a connection that l has accepted.
func (p *Proxy) take(l net.Listener, client net.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	k := &link{proxy: p, client: client, ctx: ctx, cancel: cancel}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != l {
		k.close(RST)
		return
	}
	p.links[k] = struct{}{}
	p.running.Go(func() {
		k.run()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.links, k)
	})
}

// cutLinks closes all connections. p.mu is held.
func (p *Proxy) cutLinks(e Ending) {
	for k := range p.links {
		k.close(e)
	}
}

// admit says how many of n bytes may pass before a cut, and whether it is due after
// them.
func (p *Proxy) admit(d Direction, n int) (pass int, due bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut.set {
		n = int(min(int64(n), p.cut.left))
		p.cut.left -= int64(n)
		due = p.cut.left == 0
	}
	p.bytes[d].Add(int64(n))
	return n, due
}

// cutNow carries out what admit has announced.
func (p *Proxy) cutNow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut.set {
		p.cut.set = false
		p.cutLinks(p.cut.ending)
	}
}

// hole returns the channel that is closed when the blackhole ends, nil without one.
func (p *Proxy) hole() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.blackhole
}
