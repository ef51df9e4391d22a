package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"carillon/cluster"
	"carillon/cluster/wire"
)

var _ cluster.Bus = (*Bus)(nil)

// Bus is a [cluster.Bus] on RabbitMQ.
type Bus struct {
	options   Options
	brokers   *brokers
	status    status
	outbox    *outbox
	publisher publisher
	consumer  consumer

	mu     sync.Mutex // held by Open and Close
	node   string     // "" until opened
	stop   context.CancelFunc
	finish context.CancelFunc // ends the orderly end
	wg     sync.WaitGroup
}

// New returns a bus, which connects when it is opened.
func New(o Options) (*Bus, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	brokers, err := newBrokers(&o)
	if err != nil {
		return nil, err
	}
	b := &Bus{options: o, brokers: brokers, outbox: newOutbox(o.OutboxMaxBytes, o.OutboxMaxAge)}
	b.status.log = o.Logger
	b.publisher = publisher{
		outbox:         b.outbox,
		status:         &b.status,
		confirmTimeout: o.ConfirmTimeout,
		dialer:         dialer{brokers: brokers},
	}
	b.consumer = consumer{
		prefetch:  o.Prefetch,
		expires:   o.QueueExpires,
		status:    &b.status,
		log:       o.Logger,
		dialer:    dialer{brokers: brokers},
		bindEvery: bindEvery,
		unbound:   make(chan struct{}, 1),
	}
	b.publisher.reconnected = b.consumer.doubtBindings
	b.consumer.receiver.epoch = time.Now().Add(-1) // so that no call begins at 0
	return b, nil
}

// Open implements [cluster.Bus]. It waits a moment for a consumer under this id that
// is about to go away.
func (b *Bus) Open(ctx context.Context, self cluster.Node, h cluster.Handler) error {
	if self.ID == "" || len(self.ID) > maxNodeID {
		return fmt.Errorf("node id %.40q is not of 1 to %d bytes", self.ID, maxNodeID)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.node != "" {
		return errors.New("bus is open already")
	}
	start := newStart()
	b.publisher.as(self.ID, start)
	b.consumer.as(self.ID)
	r := &b.consumer.receiver
	r.node, r.self, r.handler, r.log = self.ID, publisherOf(self.ID, start), h, b.options.Logger
	r.seen, r.replay = duplicates{}, newReplay(b.options.Prefetch)
	r.poisonLog = rate.Sometimes{First: 1, Interval: poisonEvery}

	s, err := b.consumer.connectFirst(ctx)
	if err != nil {
		return err
	}
	p, err := b.publisher.connect(ctx)
	if err != nil {
		b.consumer.remove(ctx, s)
		s.link.close(ctx)
		return err
	}
	run, stop := context.WithCancel(context.Background())
	end, finish := context.WithCancel(context.Background())
	b.node, b.stop, b.finish = self.ID, stop, finish
	b.status.open()
	b.wg.Go(func() { b.publisher.run(run, p, end) })
	b.wg.Go(func() { b.consumer.run(run, s, end) })
	return nil
}

// Close implements [cluster.Bus]. An error says what is left behind.
func (b *Bus) Close(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.outbox.close()
	var errs []error
	if b.node != "" {
		flush, cancel := flushTime(ctx)
		select {
		case <-b.outbox.drained:
		case <-flush.Done():
		}
		cancel()
		defer b.finish()
		defer context.AfterFunc(ctx, b.finish)()
		b.stop()
		b.wg.Wait()
		if !b.consumer.removed.Load() {
			if err := b.removeQueue(ctx, b.node); err != nil {
				errs = append(errs, fmt.Errorf("the queue of this node stays until it expires: %w", err))
			}
		}
	}
	rest := b.outbox.abandon()
	if len(rest) > 0 {
		errs = append(errs, fmt.Errorf("%w: %d operations were not sent", cluster.ErrClosed, len(rest)))
	}
	for _, m := range rest {
		if m.done != nil {
			m.done(cluster.ErrClosed)
		}
	}
	return errors.Join(errs...)
}

// flushTime leaves something of ctx for the time after the flush.
func flushTime(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-min(closeTimeout, time.Until(end)/4)))
}

// Shared implements [cluster.Bus].
func (b *Bus) Shared() bool { return true }

// Ready implements [cluster.Bus].
func (b *Bus) Ready() error { return b.status.ready() }

// Admit implements [cluster.Bus].
func (b *Bus) Admit() error { return b.outbox.admit() }

// Broadcast implements [cluster.Bus].
func (b *Bus) Broadcast(op *cluster.Operation, done func(error)) {
	if op.Kind == cluster.PushUsers && len(op.Users) == 0 {
		b.tell(done, nil) // the reference's form of it means everyone
		return
	}
	b.publish(&message{
		key:  keyBroadcast,
		form: formJSON,
		rest: wire.AppendJSONRest(make([]byte, 0, sizeHint(op)+len(op.Payload)+len(op.Payload)/16), op),
		done: done,
	})
}

// SendAll implements [cluster.Bus].
func (b *Bus) SendAll(op *cluster.Operation, done func(error)) {
	m := &message{key: keyCarillon, form: formBinary, done: done}
	m.rest, m.at, m.payload = wire.AppendBinaryRest(make([]byte, 0, sizeHint(op)), op)
	b.publish(m)
}

// Send implements [cluster.Bus].
func (b *Bus) Send(node string, op *cluster.Operation, done func(error)) {
	if len(node) > maxNodeID {
		b.publisher.unroutable.Add(1)
		b.tell(done, cluster.ErrUnroutable)
		return
	}
	m := &message{key: keyOf(node), form: formBinary, mandatory: true, done: done}
	m.rest, m.at, m.payload = wire.AppendBinaryRest(make([]byte, 0, sizeHint(op)), op)
	b.publish(m)
}

func (b *Bus) publish(m *message) {
	if !b.outbox.add(m) {
		b.tell(m.done, cluster.ErrClosed)
	}
}

// tell calls done for what never gets into the outbox.
func (b *Bus) tell(done func(error), err error) {
	if done != nil {
		go done(err)
	}
}

// sizeHint is what an encoded operation most likely needs beside its payload.
func sizeHint(op *cluster.Operation) int {
	n := 64 + len(op.Reason)
	for _, list := range [2][]string{op.Users, op.Sessions} {
		for _, s := range list {
			n += len(s) + 3
		}
	}
	return n
}

// Forget implements [cluster.Bus]. A queue that is consumed stays.
func (b *Bus) Forget(ctx context.Context, node string) error {
	if node == "" || len(node) > maxNodeID {
		return nil // there is none
	}
	return b.removeQueue(ctx, node)
}

// Stats implements [cluster.Bus].
func (b *Bus) Stats() cluster.BusStats {
	s := cluster.BusStats{
		Up:         b.Ready() == nil,
		Resent:     b.publisher.resent.Load(),
		Unroutable: b.publisher.unroutable.Load(),
		Reconnects: b.status.reconnected(),
	}
	b.outbox.stats(&s)
	b.consumer.receiver.stats(&s)
	return s
}
