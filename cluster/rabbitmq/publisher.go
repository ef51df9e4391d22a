package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"carillon/cluster"
	"carillon/cluster/wire"
)

// publisher sends what is in the outbox. Its goroutine is the one that calls done.
type publisher struct {
	outbox         *outbox
	status         *status
	confirmTimeout time.Duration
	dialer         dialer
	reconnected    func()

	id      string        // of the publisher in message ids
	senders [forms][]byte // the beginnings of bodies

	resent, unroutable atomic.Uint64
}

// as sets which start of which node publishes.
func (p *publisher) as(node, start string) {
	p.dialer.name = "carillon " + node + ": publish"
	p.id = publisherOf(node, start)
	p.senders[formJSON] = wire.AppendJSONSender(nil, node)
	p.senders[formBinary] = wire.AppendBinarySender(nil, node)
}

// connect opens a connection ready to publish.
func (p *publisher) connect(ctx context.Context) (*stream, error) {
	l, err := p.dialer.dial(ctx)
	if err != nil {
		return nil, err
	}
	var s *stream
	err = l.call(ctx, func() (err error) {
		s, err = newStream(p, l)
		return err
	})
	if err != nil {
		l.close(ctx)
		return nil, away(err)
	}
	return s, nil
}

// run sends over s, and over new connections after it, until ctx ends; end bounds
// how it closes the last one.
func (p *publisher) run(ctx context.Context, s *stream, end context.Context) {
	retry := newRetry()
	for {
		stop := context.AfterFunc(end, s.link.cut) // a write may wait
		err := s.run(ctx)
		if ctx.Err() != nil {
			s.link.close(end)
			stop()
			return
		}
		stop()
		p.status.lost(publishing, err)
		s.link.cut()
		if m := s.tooLarge(err); m != nil {
			p.drop(m)
		}
		s = reconnect(ctx, retry, p.status, p.connect)
		if s == nil {
			return
		}
		// The broker also ends its channel when the exchange has been deleted, and all
		// bindings with it.
		p.reconnected()
		p.status.regained(publishing)
	}
}

// settle ends a message that the broker has confirmed.
func (p *publisher) settle(m *message) {
	if m.returned {
		p.end(m, cluster.ErrUnroutable)
	} else {
		p.end(m, nil)
	}
}

// drop ends a message that the broker ends every connection for, because it allows
// none of its size.
func (p *publisher) drop(m *message) {
	p.end(m, fmt.Errorf("%w: a message of %d bytes is too large for the broker", cluster.ErrUnroutable, m.length()))
}

func (p *publisher) end(m *message, err error) {
	p.outbox.confirm(m)
	if err != nil {
		p.unroutable.Add(1)
	}
	if m.done != nil {
		m.done(err)
	}
}

// away wraps an error of the driver in cluster.ErrAway, unless it is one that
// callers tell apart.
func away(err error) error {
	if err == nil || errors.Is(err, cluster.ErrAway) || errors.Is(err, cluster.ErrNodeTaken) {
		return err
	}
	return &awayError{err}
}

type awayError struct{ cause error }

func (e *awayError) Error() string   { return cluster.ErrAway.Error() + ": " + e.cause.Error() }
func (e *awayError) Unwrap() []error { return []error{cluster.ErrAway, e.cause} }
