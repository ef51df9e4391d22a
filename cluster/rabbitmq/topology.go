package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"carillon/cluster"
)

const (
	exchange     = "ws.exchange"
	keyBroadcast = "ws.broadcast"
	keyCarillon  = "ws.carillon"
)

func queueOf(node string) string { return "ws.queue." + node }
func keyOf(node string) string   { return "ws.node." + node }

// maxNodeID leaves room for the prefixes and the message id, which AMQP allows 255
// bytes each.
const maxNodeID = 200

func declareExchange(ch *amqp.Channel) error {
	err := ch.ExchangeDeclare(exchange, amqp.ExchangeDirect, true, false, false, false, nil)
	if isCode(err, amqp.PreconditionFailed) {
		return fmt.Errorf("%s is not a direct, durable exchange: %w", exchange, err)
	}
	return err
}

// ensureQueue sees to it that the queue is there. One that exists is taken over as
// it stands, because a declaration with other arguments is refused: a node of the
// reference leaves it without any. found tells which.
func ensureQueue(l *link, queue string, expires time.Duration) (found bool, err error) {
	probe, err := l.Channel()
	if err != nil {
		return false, err
	}
	defer probe.Close()
	_, err = probe.QueueDeclarePassive(queue, true, false, false, false, nil)
	if !isCode(err, amqp.NotFound) {
		if isCode(err, amqp.ResourceLocked) {
			err = cluster.ErrNodeTaken // somebody's exclusive queue
		}
		return err == nil, err
	}
	// The refusal has closed the channel.
	ch, err := l.Channel()
	if err != nil {
		return false, err
	}
	defer ch.Close()
	_, err = ch.QueueDeclare(queue, true, false, false, false, amqp.Table{"x-expires": expires.Milliseconds()})
	return false, err
}

// consume begins to consume as the only consumer there is.
func consume(ch *amqp.Channel, queue, tag string, prefetch int) (<-chan amqp.Delivery, error) {
	if err := ch.Qos(prefetch, 0, false); err != nil {
		return nil, err
	}
	deliveries, err := ch.Consume(queue, tag, false, true, false, false, nil)
	if isCode(err, amqp.AccessRefused) && strings.Contains(err.Error(), "exclusive") {
		return nil, cluster.ErrNodeTaken
	}
	return deliveries, err
}

func bind(ch *amqp.Channel, node string) error {
	for _, key := range []string{keyBroadcast, keyCarillon, keyOf(node)} {
		if err := ch.QueueBind(queueOf(node), key, exchange, false, nil); err != nil {
			return err
		}
	}
	return nil
}

// removeQueue deletes the queue of a node unless somebody consumes it, on a
// connection of its own, so that it depends on nothing but ctx.
func (b *Bus) removeQueue(ctx context.Context, node string) error {
	d := dialer{brokers: b.brokers, name: "carillon: clean-up"}
	l, err := d.dial(ctx)
	if err != nil {
		return err
	}
	defer l.close(ctx)
	err = l.call(ctx, func() error {
		ch, err := l.Channel()
		if err != nil {
			return err
		}
		_, err = ch.QueueDelete(queueOf(node), true, false, false)
		return err
	})
	switch {
	case err == nil, isCode(err, amqp.NotFound):
		return nil
	case isCode(err, amqp.PreconditionFailed), isCode(err, amqp.ResourceLocked):
		return nil // somebody lives under this id
	}
	return fmt.Errorf("%w: %w", cluster.ErrAway, err)
}

func isCode(err error, code int) bool {
	var e *amqp.Error
	return errors.As(err, &e) && e.Code == code
}
