package rabbitmq

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"carillon/cluster"
)

var errQueueGone = errors.New("the queue of this node was deleted")

// takenGrace is how long Open waits for another consumer under this id to go away:
// of a process killed a moment ago, the broker may still have the connection.
const takenGrace = time.Second

// bindEvery is how often the queue is bound again. When somebody deletes the exchange
// its bindings go with it, and the broker does not tell those who consume.
const bindEvery = 30 * time.Second

// consumer takes messages from the queue of this node and gives them to the handler.
type consumer struct {
	node     string
	prefetch int
	expires  time.Duration
	status   *status
	log      *slog.Logger
	dialer   dialer
	receiver receiver

	bindEvery time.Duration
	unbound   chan struct{} // has a token when the queue may not be bound any more

	known   bool // the queue was there once
	removed atomic.Bool
}

// as sets which node consumes.
func (c *consumer) as(node string) {
	c.node = node
	c.dialer.name = "carillon " + node + ": consume"
}

// subscription is one connection for consuming.
type subscription struct {
	link       *link
	channel    *amqp.Channel
	tag        string
	deliveries <-chan amqp.Delivery
	lost       chan *amqp.Error
}

// connect opens a connection and begins to consume.
func (c *consumer) connect(ctx context.Context) (*subscription, error) {
	l, err := c.dialer.dial(ctx)
	if err != nil {
		return nil, err
	}
	var s *subscription
	err = l.call(ctx, func() (err error) {
		s, err = c.subscribe(l)
		return err
	})
	if err != nil {
		if errors.Is(err, cluster.ErrNodeTaken) {
			c.dialer.again()
			err = &cluster.TakenError{Node: c.node, Lingers: l.lingers()}
		}
		l.close(ctx)
		return nil, away(err)
	}
	return s, nil
}

// connectFirst is connect with some patience for a consumer that is about to go.
func (c *consumer) connectFirst(ctx context.Context) (*subscription, error) {
	for end := time.Now().Add(takenGrace); ; {
		s, err := c.connect(ctx)
		// While it goes, it deletes the queue.
		passing := errors.Is(err, cluster.ErrNodeTaken) || isCode(err, amqp.NotFound)
		if !passing || time.Now().After(end) {
			return s, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(takenGrace / 10):
		}
	}
}

// subscribe declares everything and begins to consume. The keys are bound last: a
// node of the reference that turns out to be alive under this id must not get what
// is meant for carillon nodes.
func (c *consumer) subscribe(l *link) (*subscription, error) {
	ch, err := l.Channel()
	if err != nil {
		return nil, err
	}
	if err := declareExchange(ch); err != nil {
		return nil, err
	}
	queue := queueOf(c.node)
	found, err := ensureQueue(l, queue, c.expires)
	if err != nil {
		return nil, err
	}
	if !found && c.known {
		c.log.Warn("the queue of this node was gone: what was published meanwhile is lost to it", "queue", queue)
	}
	s := &subscription{link: l, channel: ch, tag: "carillon:" + c.node, lost: ch.NotifyClose(make(chan *amqp.Error, 1))}
	if s.deliveries, err = consume(ch, queue, s.tag, c.prefetch); err != nil {
		return nil, err
	}
	c.known = true
	return s, bind(ch, c.node)
}

// run consumes from s, and from new connections after it, until ctx ends; end
// bounds how it closes the last one.
func (c *consumer) run(ctx context.Context, s *subscription, end context.Context) {
	retry := newRetry()
	for {
		stop := context.AfterFunc(end, s.link.cut) // a write may wait
		subscribed, ended := context.WithCancel(ctx)
		var binding sync.WaitGroup
		binding.Go(func() { c.keepBound(subscribed, s.link) })
		err := c.receive(ctx, s)
		ended()
		if ctx.Err() != nil {
			binding.Wait()
			c.removed.Store(c.remove(end, s))
			s.link.close(end)
			stop()
			return
		}
		stop()
		c.status.lost(consuming, err)
		s.link.cut()
		binding.Wait()
		s = reconnect(ctx, retry, c.status, c.connect)
		if s == nil {
			return
		}
		c.status.regained(consuming)
	}
}

// keepBound binds the queue again and again until ctx ends.
func (c *consumer) keepBound(ctx context.Context, l *link) {
	due := time.NewTicker(c.bindEvery)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-due.C:
		case <-c.unbound:
		}
		if err := c.bindAgain(l); err != nil && ctx.Err() == nil && !l.IsClosed() {
			c.log.Warn("the queue of this node may have lost its bindings", "queue", queueOf(c.node), "error", err)
		}
	}
}

// bindAgain asserts the exchange and the bindings, on a channel of its own, which is
// what the broker ends when it refuses.
func (c *consumer) bindAgain(l *link) error {
	ch, err := l.Channel()
	if err != nil {
		return err
	}
	defer ch.Close()
	if err := declareExchange(ch); err != nil {
		return err
	}
	return bind(ch, c.node)
}

// doubtBindings has the queue bound again soon. Any goroutine.
func (c *consumer) doubtBindings() {
	select {
	case c.unbound <- struct{}{}:
	default:
	}
}

// remove ends the subscription and deletes the queue.
func (c *consumer) remove(ctx context.Context, s *subscription) bool {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	return s.link.call(ctx, func() error {
		if err := s.channel.Cancel(s.tag, false); err != nil {
			return err
		}
		_, err := s.channel.QueueDelete(queueOf(c.node), true, false, false)
		return err
	}) == nil
}

// receive handles deliveries in order until ctx ends or there are no more.
func (c *consumer) receive(ctx context.Context, s *subscription) error {
	c.receiver.reconnected()
	acks := acknowledger{channel: s.channel, batch: max(c.prefetch/4, 1)}
	for ctx.Err() == nil {
		d, ok, ready := poll(s.deliveries)
		if !ready {
			if err := acks.flush(); err != nil {
				return s.loss(err)
			}
			select {
			case d, ok = <-s.deliveries:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if !ok {
			return s.loss(errQueueGone)
		}
		if err := c.receiver.receive(ctx, &d); err != nil {
			_ = acks.flush() // the connection is closed in order after this
			return err
		}
		if err := acks.handled(d.DeliveryTag); err != nil {
			return s.loss(err)
		}
	}
	return ctx.Err()
}

// poll takes a delivery if there is one. The driver hands them over from a goroutine
// of its own, which gets a chance to come with the next one.
func poll(deliveries <-chan amqp.Delivery) (d amqp.Delivery, ok, ready bool) {
	for range 2 {
		select {
		case d, ok = <-deliveries:
			return d, ok, true
		default:
			runtime.Gosched()
		}
	}
	return d, false, false
}

// loss returns why the channel has ended, or other when it has not.
func (s *subscription) loss(other error) error {
	select {
	case err := <-s.lost:
		return lossOf(err)
	default:
		return other
	}
}

// acknowledger acknowledges many deliveries at once.
type acknowledger struct {
	channel *amqp.Channel
	batch   int
	last    uint64
	waiting int
}

func (a *acknowledger) handled(tag uint64) error {
	a.last = tag
	a.waiting++
	if a.waiting < a.batch {
		return nil
	}
	return a.flush()
}

func (a *acknowledger) flush() error {
	if a.waiting == 0 {
		return nil
	}
	a.waiting = 0
	return a.channel.Ack(a.last, true)
}
