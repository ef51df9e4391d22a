package rabbitmq_test

import (
	"context"
	"slices"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"carillon/cluster/clustertest"
	"carillon/cluster/services"
)

// patience is for whatever should happen soon.
const patience = 30 * time.Second

// vhost is a part of the broker for one test.
type vhost struct {
	*services.RabbitMQ
	name, url string
}

func newVhost(t testing.TB) *vhost {
	t.Helper()
	b := startBroker(t)
	name, err := b.NewVhost(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.DeleteVhost(context.Background(), name); err != nil {
			t.Errorf("deleting the virtual host: %v", err)
		}
	})
	return &vhost{b, name, b.URL(name)}
}

// queue returns a queue; ok is false when there is none.
func (v *vhost) queue(t testing.TB, name string) (q services.Queue, ok bool) {
	t.Helper()
	queues, err := v.Queues(t.Context(), v.name)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(queues, func(q services.Queue) bool { return q.Name == name })
	if i < 0 {
		return q, false
	}
	return queues[i], true
}

// keys returns the keys by which the exchange routes to a queue, in order.
func (v *vhost) keys(t testing.TB, queue string) (keys []string) {
	t.Helper()
	bindings, err := v.Bindings(t.Context(), v.name)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bindings {
		if b.Destination == queue && b.Exchange == "ws.exchange" {
			keys = append(keys, b.Key)
		}
	}
	slices.Sort(keys)
	return keys
}

// channel returns a channel of a plain client.
func (v *vhost) channel(t testing.TB) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(v.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// reference declares what a node of the reference declares, and consumes as it does.
func (v *vhost) reference(t testing.TB, node string) <-chan amqp.Delivery {
	t.Helper()
	ch := v.channel(t)
	v.leave(t, ch, node)
	deliveries, err := ch.Consume("ws.queue."+node, "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return deliveries
}

// leave declares what a node of the reference leaves behind.
func (v *vhost) leave(t testing.TB, ch *amqp.Channel, node string) {
	t.Helper()
	if err := ch.ExchangeDeclare("ws.exchange", "direct", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare("ws.queue."+node, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind("ws.queue."+node, "ws.broadcast", "ws.exchange", false, nil); err != nil {
		t.Fatal(err)
	}
}

// asReference publishes as a node of the reference does.
func asReference(t testing.TB, ch *amqp.Channel, body string) {
	t.Helper()
	err := ch.Publish("ws.exchange", "ws.broadcast", false, false, amqp.Publishing{
		ContentType:     "application/json",
		ContentEncoding: "UTF-8",
		DeliveryMode:    amqp.Persistent,
		Headers:         amqp.Table{"__TypeId__": "io.github.atengk.entity.WebSocketBroadcastMessage"},
		Body:            []byte(body),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until check returns nil.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	clustertest.Eventually(t, patience, check)
}

func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v, ok := <-c:
		if !ok {
			t.Fatal("closed")
		}
		return v
	case <-time.After(patience):
		t.Fatalf("nothing within %v", patience)
	}
	panic("unreachable")
}
