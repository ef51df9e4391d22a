package rabbitmq

import (
	"context"
	"errors"
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
	dial           func(ctx context.Context) (*link, error)

	id      string        // of the publisher in message ids
	senders [forms][]byte // the beginnings of bodies

	resent, unroutable atomic.Uint64
}

func (p *publisher) name(node, start string) {
	p.id = publisherOf(node, start)
	p.senders[formJSON] = wire.AppendJSONSender(nil, node)
	p.senders[formBinary] = wire.AppendBinarySender(nil, node)
}

// connect opens a connection ready to publish.
func (p *publisher) connect(ctx context.Context) (*stream, error) {
	l, err := p.dial(ctx)
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
		err := s.run(ctx)
		if ctx.Err() != nil {
			s.link.close(end)
			return
		}
		p.status.lost(publishing, err)
		s.link.cut()
		s = reconnect(ctx, retry, p.status, p.connect)
		if s == nil {
			return
		}
		p.status.regained(publishing)
	}
}

// settle ends a message that the broker has taken.
func (p *publisher) settle(m *message) {
	p.outbox.confirm(m)
	var err error
	if m.returned {
		p.unroutable.Add(1)
		err = cluster.ErrUnroutable
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
