package engine

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// lines are the connections to an HTTP interface. The HTTP client can not be told
// to give up a request; closing its connection does.
type lines struct {
	dial func(context.Context) (net.Conn, error)
	n    atomic.Uint64
	mu   sync.Mutex
	up   map[*line]struct{}
	off  bool
}

// line is one of them.
type line struct {
	net.Conn
	all *lines
}

// Close closes the connection.
func (l *line) Close() error {
	l.all.mu.Lock()
	delete(l.all.up, l)
	l.all.mu.Unlock()
	return l.Conn.Close()
}

// open opens one.
func (ls *lines) open(ctx context.Context) (net.Conn, error) {
	nc, err := ls.dial(ctx)
	if err != nil {
		return nil, err
	}
	l := &line{nc, ls}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.off {
		_ = nc.Close()
		return nil, context.Canceled
	}
	if ls.up == nil {
		ls.up = make(map[*line]struct{})
	}
	ls.up[l] = struct{}{}
	return l, nil
}

// cut closes all of them, and those that are opened later.
func (ls *lines) cut() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.off = true
	for l := range ls.up {
		_ = l.Conn.Close()
	}
}
