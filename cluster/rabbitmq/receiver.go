package rabbitmq

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/time/rate"

	"carillon/cluster"
	"carillon/cluster/wire"
)

// blockedAfter is how long a handler may take before it counts as waiting for
// event loops that cannot follow.
const blockedAfter = time.Millisecond

// How long a message waits that the handler did not take, at first and at most.
const (
	handlerPause    = 10 * time.Millisecond
	maxHandlerPause = time.Second
)

// poisonEvery is how often a message that cannot be read is logged.
const poisonEvery = 10 * time.Second

// receiver reads messages, sorts out those that the handler must not see, and calls
// it with the others. One goroutine uses it; the counters may be read by any.
type receiver struct {
	node    string
	self    string // the publisher that this start is
	handler cluster.Handler
	log     *slog.Logger

	seen   duplicates
	replay *replay

	poisonLog   rate.Sometimes
	poisonSince uint64 // not logged

	received, own, duplicate, poison atomic.Uint64

	began      atomic.Int64 // when the handler was called, since epoch; 0 outside of it
	epoch      time.Time
	blockedFor atomic.Int64 // ns, of calls that have ended
}

func (r *receiver) reconnected() { r.replay.reconnected() }

// receive handles one delivery. An error means that ctx ended before the handler
// had taken it; after nil it is done with, whatever it was.
func (r *receiver) receive(ctx context.Context, d *amqp.Delivery) error {
	r.received.Add(1)
	if !d.Redelivered {
		r.replay.fresh()
	}
	publisher, number, ours := parseMessageID(d.MessageId)
	if ours {
		if publisher == r.self {
			r.own.Add(1)
			return nil
		}
		w := r.seen.of(publisher)
		if w.has(number) {
			r.duplicate.Add(1)
			return nil
		}
		if err := r.handle(ctx, d); err != nil {
			return err
		}
		w.add(number)
		return nil
	}
	if d.Redelivered && r.replay.again(d.Body) {
		r.duplicate.Add(1)
	} else if err := r.handle(ctx, d); err != nil {
		return err
	}
	r.replay.handled(d.DeliveryTag, d.Body)
	return nil
}

// handle gives a message to the handler until it takes it.
func (r *receiver) handle(ctx context.Context, d *amqp.Delivery) error {
	for wait := handlerPause; ; wait = min(2*wait, maxHandlerPause) {
		// Decoded for every attempt, because the operation is the handler's to change.
		m, err := wire.Decode(d.Body)
		if err != nil {
			r.poisoned(d, err)
			return nil
		}
		if m.From == r.node {
			r.own.Add(1) // of an earlier start
			return nil
		}
		if err := r.call(ctx, &m); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (r *receiver) call(ctx context.Context, m *wire.Message) error {
	began := time.Since(r.epoch)
	r.began.Store(int64(began))
	err := r.handler(ctx, m.From, &m.Op)
	r.began.Store(0)
	if took := time.Since(r.epoch) - began; took > blockedAfter {
		r.blockedFor.Add(int64(took))
	}
	return err
}

// poisoned counts a message that cannot be read, and tells about it now and then,
// not showing what was in it.
func (r *receiver) poisoned(d *amqp.Delivery, err error) {
	r.poison.Add(1)
	r.poisonSince++
	r.poisonLog.Do(func() {
		r.log.Warn("message dropped: it cannot be read", "error", err, "count", r.poisonSince,
			"routing_key", d.RoutingKey, "content_type", d.ContentType, "type", d.Type, "size", len(d.Body))
		r.poisonSince = 0
	})
}

func (r *receiver) stats(s *cluster.BusStats) {
	s.Received, s.Own = r.received.Load(), r.own.Load()
	s.Duplicates, s.Poison = r.duplicate.Load(), r.poison.Load()
	s.BlockedFor = time.Duration(r.blockedFor.Load())
	if began := r.began.Load(); began != 0 {
		if waits := time.Since(r.epoch) - time.Duration(began); waits > blockedAfter {
			s.Blocked = true
			s.BlockedFor += waits
		}
	}
}
