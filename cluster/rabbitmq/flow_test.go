package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"carillon/cluster"
	"carillon/cluster/rabbitmq"
	"carillon/cluster/services"
)

// While the handler waits, the broker keeps what is beyond the prefetch, and nobody
// else notices.
func TestBackpressure(t *testing.T) {
	v := newVhost(t)
	const prefetch, all = 20, 500
	a := openNode(t, rabbitmq.Options{URLs: []string{v.url}}, "a")
	b := openNode(t, rabbitmq.Options{URLs: []string{v.url}, Prefetch: prefetch}, "b")
	c := openNode(t, rabbitmq.Options{URLs: []string{v.url}}, "c")
	gate := make(chan struct{})
	b.gate = func(ctx context.Context, _ *cluster.Operation) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var want []string
	for i := range all {
		a.SendAll(push(strconv.Itoa(i)), nil)
		want = append(want, strconv.Itoa(i))
	}
	if got := payloads(c.awaits(t, all)); !slices.Equal(got, want) {
		t.Errorf("c got %q", got)
	}
	eventually(t, func() error {
		if q, _ := v.queue(t, "ws.queue.b"); q.Unacked != prefetch || q.Ready != all-prefetch {
			return fmt.Errorf("got %+v", q)
		}
		if s := b.Stats(); !s.Blocked || s.BlockedFor <= 0 || s.Received != 1 || !s.Up {
			return fmt.Errorf("got %+v", s)
		}
		return nil
	})
	eventually(t, func() error {
		if s := a.Stats(); s.OutboxMessages != 0 || !s.Up {
			return fmt.Errorf("the publisher: %+v", s)
		}
		return nil
	})
	close(gate)
	if got := payloads(b.awaits(t, all)); !slices.Equal(got, want) {
		t.Errorf("b got %q", got)
	}
	eventually(t, func() error {
		if q, _ := v.queue(t, "ws.queue.b"); q.Messages != 0 {
			return fmt.Errorf("all are handled, but %+v", q)
		}
		return nil
	})
	if s := b.Stats(); s.Blocked || s.BlockedFor <= 0 {
		t.Errorf("got %+v", s)
	}
}

// A message that was handled while its connection was lost is not handled again,
// whoever has sent it; nor is one lost.
func TestDeliveredAgain(t *testing.T) {
	v := newVhost(t)
	p, through := v.proxied(t)
	a := openNode(t, rabbitmq.Options{URLs: []string{v.url}}, "a")
	b := openNode(t, rabbitmq.Options{URLs: []string{through}}, "b")
	entered, gate := make(chan struct{}, 1), make(chan struct{})
	b.gate = func(_ context.Context, op *cluster.Operation) error {
		if op.Payload == "r3" {
			select {
			case entered <- struct{}{}:
			default:
			}
			<-gate
		}
		return nil
	}
	ch := v.channel(t)
	publish := func(payload string) {
		if strings.HasPrefix(payload, "r") {
			asReference(t, ch, `{"fromNode":"node-r","payload":"`+payload+`","targetUsers":null}`)
			return
		}
		said := make(chan error, 1)
		a.Send("b", push(payload), func(err error) { said <- err })
		if err := receive(t, said); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"r1", "a1", "r2", "a2", "r3", "r4", "a3", "r5", "a4", "r6"}
	for _, payload := range want[:7] {
		publish(payload)
	}
	receive(t, entered) // the first ones are handled, r3 is being handled, the others wait here
	eventually(t, func() error {
		if q, _ := v.queue(t, "ws.queue.b"); q.Ready != 0 {
			return fmt.Errorf("got %+v", q)
		}
		return nil
	})
	p.Cut(services.RST)
	eventually(t, func() error { // the broker has it all again
		if q, _ := v.queue(t, "ws.queue.b"); q.Ready == 0 || q.Unacked != 0 {
			return fmt.Errorf("got %+v", q)
		}
		return nil
	})
	close(gate)
	for _, payload := range want[7:] {
		publish(payload)
	}
	b.awaits(t, len(want))
	eventually(t, func() error {
		if q, _ := v.queue(t, "ws.queue.b"); q.Messages != 0 || q.Consumers != 1 {
			return fmt.Errorf("got %+v", q)
		}
		return nil
	})
	got := payloads(b.taken())
	// Nodes of the reference and a publish on connections of their own.
	slices.SortStableFunc(got, func(x, y string) int { return strings.Compare(x[:1], y[:1]) })
	slices.SortStableFunc(want, func(x, y string) int { return strings.Compare(x[:1], y[:1]) })
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if s := b.Stats(); s.Duplicates == 0 || s.Reconnects == 0 {
		t.Errorf("got %+v", s)
	}
}

// A queue may refuse messages; they are sent until it takes them, and come once.
func TestRefusedMessagesAreSentAgain(t *testing.T) {
	v := newVhost(t)
	a := openNode(t, rabbitmq.Options{URLs: []string{v.url}}, "a")
	ch := v.channel(t)
	if _, err := ch.QueueDeclare("ws.queue.b", true, false, false, false, amqp.Table{"x-max-length": 3, "x-overflow": "reject-publish"}); err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind("ws.queue.b", "ws.node.b", "ws.exchange", false, nil); err != nil {
		t.Fatal(err)
	}
	said := make(chan error, 100)
	for i := range 50 {
		a.Send("b", push(strconv.Itoa(i)), func(err error) { said <- err })
	}
	eventually(t, func() error {
		if s := a.Stats(); s.Resent == 0 {
			return fmt.Errorf("got %+v", s)
		}
		return nil
	})
	b := openNode(t, rabbitmq.Options{URLs: []string{v.url}}, "b")
	for range 50 {
		if err := receive(t, said); err != nil {
			t.Fatal(err)
		}
	}
	got := payloads(b.awaits(t, 50))
	slices.Sort(got)
	if len(got) != 50 || len(slices.Compact(got)) != 50 {
		t.Errorf("got %q", got)
	}
	if s := a.Stats(); s.Reconnects != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestUnroutable(t *testing.T) {
	v := newVhost(t)
	a := openNode(t, rabbitmq.Options{URLs: []string{v.url}}, "a")
	said := make(chan error, 10)
	for _, id := range []string{"", "nobody", strings.Repeat("n", 200), strings.Repeat("n", 300)} {
		a.Send(id, push("m"), func(err error) { said <- err })
		if err := receive(t, said); !errors.Is(err, cluster.ErrUnroutable) {
			t.Errorf("%.10q: got %v", id, err)
		}
	}
	if s := a.Stats(); s.Unroutable != 4 || s.OutboxMessages != 0 || s.Reconnects != 0 {
		t.Errorf("got %+v", s)
	}
}

// The oldest message may wait for as long as it was told.
func TestOutboxRefusesByAge(t *testing.T) {
	v := newVhost(t)
	p, through := v.proxied(t)
	a := openNode(t, rabbitmq.Options{URLs: []string{through}, OutboxMaxAge: 200 * time.Millisecond}, "a")
	p.Refuse(services.RST)
	if err := a.Admit(); err != nil {
		t.Errorf("an empty outbox: %v", err)
	}
	said := make(chan error, 1)
	a.Send("a", push("m"), func(err error) { said <- err })
	eventually(t, func() error {
		if err := a.Admit(); !errors.Is(err, cluster.ErrOutboxFull) || !contains(err, "oldest") {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
	restore(t, p)
	if err := receive(t, said); err != nil {
		t.Error(err)
	}
	eventually(t, a.Admit)
	if s := a.Stats(); s.Refused == 0 {
		t.Errorf("got %+v", s)
	}
}
