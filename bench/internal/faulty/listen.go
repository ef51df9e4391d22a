package faulty

import (
	"context"
	"net"
)

// listener counts connections and keeps those that are to hear nothing.
type listener struct {
	net.Listener
	s *Server
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.s.count.Accepted.Add(1)
		f := l.s.faults.Load()
		if !f.silent.hits(f.SilentEvery) {
			return nc, nil
		}
		l.s.count.Silent.Add(1)
		context.AfterFunc(l.s.ctx, func() { _ = nc.Close() })
	}
}
