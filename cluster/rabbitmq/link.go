package rabbitmq

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var errConnectionClosed = errors.New("connection closed")

// closeTimeout is how long an orderly end of a connection may take.
const closeTimeout = 2 * time.Second

// link is one connection to a broker.
type link struct {
	*amqp.Connection
	socket *socket
}

// cut ends the connection at once: every call on it returns with an error. The
// driver's own calls know no context.
func (l *link) cut() { l.socket.Close() }

// close ends the connection in order while ctx lasts, but for at most closeTimeout.
func (l *link) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, l.cut)()
	_ = l.Connection.Close() // what it could tell is that the connection was lost before
	l.cut()
}

// call runs f, which uses the connection; it is cut when ctx ends meanwhile.
func (l *link) call(ctx context.Context, f func() error) error {
	stop := context.AfterFunc(ctx, l.cut)
	err := f()
	if !stop() {
		return ctx.Err()
	}
	return err
}

// lingers is how long the broker takes to miss a peer that was cut off without a word,
// and agreed on the same heartbeats: it looks for a sign of life once in each interval,
// and gives up after two looks in a row without one.
func (l *link) lingers() time.Duration { return 3 * l.Config.Heartbeat }

// lossOf returns why a channel has ended; nil is what the driver tells of an end
// in order.
func lossOf(err *amqp.Error) error {
	if err == nil {
		return errConnectionClosed
	}
	return err
}

// socket bounds how long a write may wait for a peer that takes nothing. The
// driver knows only a deadline for reads, and cannot end a connection over it while
// a write waits.
type socket struct {
	net.Conn
	timeout time.Duration
	until   atomic.Int64 // the deadline for writes, Unix ns; 0 when there is none
}

// Write is called under the driver's lock for writing.
func (s *socket) Write(p []byte) (int, error) {
	// A deadline is good for half its time, so that few writes set one.
	if now := time.Now(); s.until.Load()-now.UnixNano() < int64(s.timeout/2) {
		until := now.Add(s.timeout)
		if err := s.Conn.SetWriteDeadline(until); err != nil {
			return 0, err
		}
		s.until.Store(until.UnixNano())
	}
	return s.Conn.Write(p)
}

// SetDeadline is how the driver ends the time for the handshake, and with it the
// deadline for writes.
func (s *socket) SetDeadline(t time.Time) error {
	err := s.Conn.SetDeadline(t)
	s.until.Store(0)
	return err
}
