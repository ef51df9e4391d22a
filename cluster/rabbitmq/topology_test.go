package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"carillon/cluster"
	"carillon/cluster/rabbitmq"
	"carillon/cluster/services"
)

func TestTopology(t *testing.T) {
	v := newVhost(t)
	n := openNode(t, rabbitmq.Options{URLs: []string{v.url}}, "node-1")

	exchanges, err := v.Exchanges(t.Context(), v.name)
	if err != nil || len(exchanges) != 1 || exchanges[0] != (services.Exchange{Name: "ws.exchange", Type: "direct", Durable: true}) {
		t.Errorf("got exchanges %+v, %v", exchanges, err)
	}
	q, ok := v.queue(t, "ws.queue.node-1")
	if !ok || !q.Durable || q.AutoDelete || q.Exclusive || q.Consumers != 1 || fmt.Sprint(q.Arguments) != "map[x-expires:60000]" {
		t.Errorf("got queue %+v, %v", q, ok)
	}
	if got, want := v.keys(t, q.Name), []string{"ws.broadcast", "ws.carillon", "ws.node.node-1"}; !slices.Equal(got, want) {
		t.Errorf("got keys %q, want %q", got, want)
	}
	connections, err := v.Connections(t.Context(), v.name)
	if err != nil || len(connections) != 2 {
		t.Errorf("got connections %+v, %v, want one to publish and one to consume", connections, err)
	}
	for _, want := range []string{"carillon node-1: publish", "carillon node-1: consume"} {
		if !slices.ContainsFunc(connections, func(c services.Connection) bool { return c.Name == want }) {
			t.Errorf("no connection is called %q: %+v", want, connections)
		}
	}

	n.close(t)
	if q, ok := v.queue(t, "ws.queue.node-1"); ok {
		t.Errorf("after Close there is %+v", q)
	}
	eventually(t, func() error {
		if c, err := v.Connections(t.Context(), v.name); err != nil || len(c) != 0 {
			return fmt.Errorf("after Close there are connections: %+v, %w", c, err)
		}
		return nil
	})
}

// A node of the reference leaves its queue behind, with what came since.
func TestQueueOfTheReferenceIsTakenOver(t *testing.T) {
	v := newVhost(t)
	ch := v.channel(t)
	v.leave(t, ch, "node-a")
	asReference(t, ch, `{"fromNode":"node-b","payload":"before","targetUsers":null}`)
	asReference(t, ch, `{"fromNode":"node-a","payload":"own","targetUsers":null}`)
	eventually(t, func() error {
		if q, _ := v.queue(t, "ws.queue.node-a"); q.Ready != 2 {
			return fmt.Errorf("got %+v", q)
		}
		return nil
	})

	n := openNode(t, rabbitmq.Options{URLs: []string{v.url}}, "node-a")
	q, _ := v.queue(t, "ws.queue.node-a")
	if len(q.Arguments) != 0 || q.Consumers != 1 {
		t.Errorf("got queue %+v", q)
	}
	if got, want := v.keys(t, q.Name), []string{"ws.broadcast", "ws.carillon", "ws.node.node-a"}; !slices.Equal(got, want) {
		t.Errorf("got keys %q, want %q", got, want)
	}
	asReference(t, ch, `{"fromNode":"node-b","payload":"after","targetUsers":["x"]}`)
	if got := payloads(n.awaits(t, 2)); !slices.Equal(got, []string{"before", "after"}) {
		t.Errorf("got %q", got)
	}
	if s := n.Stats(); s.Own != 1 || s.Received != 3 {
		t.Errorf("got %+v", s)
	}
	n.close(t)
	if q, ok := v.queue(t, "ws.queue.node-a"); ok {
		t.Errorf("after Close there is %+v, which fills", q)
	}
}

// The queue of a node that is alive is neither read nor bound to anything new: a node
// of the reference must not get what is meant for carillon nodes.
func TestLiveNodeOfTheReferenceIsLeftAlone(t *testing.T) {
	v := newVhost(t)
	deliveries := v.reference(t, "node-a")
	n := newNode(t, rabbitmq.Options{URLs: []string{v.url}}, "node-a")
	if err := n.Open(t.Context(), cluster.Node{ID: "node-a"}, n.handle); !errors.Is(err, cluster.ErrNodeTaken) {
		t.Fatalf("got %v, want %v", err, cluster.ErrNodeTaken)
	}
	if err := n.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got := v.keys(t, "ws.queue.node-a"); !slices.Equal(got, []string{"ws.broadcast"}) {
		t.Errorf("got keys %q", got)
	}
	asReference(t, v.channel(t), `{"fromNode":"node-b","payload":"m","targetUsers":null}`)
	receive(t, deliveries)
}

// Open has patience with a consumer that is about to go, as of a process that was
// killed.
func TestOpenWaitsForTheDying(t *testing.T) {
	v := newVhost(t)
	o := rabbitmq.Options{URLs: []string{v.url}}
	first := openNode(t, o, "a")
	second := newNode(t, o, "a")
	opened := make(chan error, 1)
	go func() { opened <- second.Open(t.Context(), cluster.Node{ID: "a"}, second.handle) }()
	eventually(t, func() error { // it has tried, and the first is still there
		if c, err := v.Connections(t.Context(), v.name); err != nil || len(c) < 3 {
			return fmt.Errorf("got %+v, %w", c, err)
		}
		return nil
	})
	first.close(t)
	if err := receive(t, opened); err != nil {
		t.Fatal(err)
	}
	second.close(t)
}

// A refusal tells how long a holder that is dead may have kept the id, by the heartbeat
// that was agreed on.
func TestTakenTellsHowLongTheDeadLinger(t *testing.T) {
	v := newVhost(t)
	openNode(t, rabbitmq.Options{URLs: []string{v.url}}, "a")
	for _, test := range []struct {
		url       string
		heartbeat time.Duration
		want      time.Duration
	}{
		{v.url, 0, 3 * rabbitmq.DefaultHeartbeat},
		{v.url, 7 * time.Second, 21 * time.Second},
		{v.url + "?heartbeat=5", 7 * time.Second, 15 * time.Second},
		{v.url + "?heartbeat=0", 7 * time.Second, 3 * time.Minute}, // the broker's choice
		{v.url, time.Hour, 3 * time.Minute},                        // it takes no more than its own
	} {
		n := newNode(t, rabbitmq.Options{URLs: []string{test.url}, Heartbeat: test.heartbeat}, "a")
		err := n.Open(t.Context(), self("a"), n.handle)
		if taken, ok := errors.AsType[*cluster.TakenError](err); !ok || taken.Node != "a" || taken.Lingers != test.want {
			t.Errorf("%+v: got %v, %+v", test, err, taken)
		}
		n.close(t)
	}
}

func TestExchangeOfAnotherKind(t *testing.T) {
	v := newVhost(t)
	if err := v.channel(t).ExchangeDeclare("ws.exchange", "topic", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, rabbitmq.Options{URLs: []string{v.url}}, "a")
	err := n.Open(t.Context(), cluster.Node{ID: "a"}, n.handle)
	if !errors.Is(err, cluster.ErrAway) || !contains(err, "not a direct, durable exchange") {
		t.Errorf("got %v", err)
	}
	if err := n.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestForget(t *testing.T) {
	v := newVhost(t)
	o := rabbitmq.Options{URLs: []string{v.url}}
	a, b := openNode(t, o, "a"), openNode(t, o, "b")
	v.leave(t, v.channel(t), "dead")
	for _, id := range []string{"dead", "never was", "b", "a", ""} {
		if err := a.Forget(t.Context(), id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	if q, ok := v.queue(t, "ws.queue.dead"); ok {
		t.Errorf("there is %+v", q)
	}
	for _, id := range []string{"a", "b"} {
		if _, ok := v.queue(t, "ws.queue."+id); !ok {
			t.Errorf("the queue of %s, which is alive, is gone", id)
		}
	}
	a.SendAll(push("m"), nil)
	b.awaits(t, 1)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Forget(ended, "dead"); !errors.Is(err, cluster.ErrAway) {
		t.Errorf("got %v", err)
	}
}

// A queue that an operator deletes is made again.
func TestDeletedQueueIsDeclaredAgain(t *testing.T) {
	v := newVhost(t)
	o := rabbitmq.Options{URLs: []string{v.url}}
	a, b := openNode(t, o, "a"), openNode(t, o, "b")
	a.Send("b", push("1"), nil)
	b.awaits(t, 1)
	if err := v.DeleteQueue(t.Context(), v.name, "ws.queue.b"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if s := b.Stats(); !s.Up || s.Reconnects != 1 {
			return fmt.Errorf("got %+v", s)
		}
		return nil
	})
	a.Send("b", push("2"), nil)
	if got := payloads(b.awaits(t, 2)); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("got %q", got)
	}
	for _, line := range []string{"broker lost", "broker regained", "was gone"} {
		if n := b.logs.lines(line); n != 1 {
			t.Errorf("%q was logged %d times", line, n)
		}
	}
}

// An exchange that an operator deletes takes the bindings of all nodes with it. Those
// of a node that publishes are made again at once, those of the others in time.
func TestDeletedExchange(t *testing.T) {
	deleted := func(t *testing.T, v *vhost) {
		t.Helper()
		if err := v.channel(t).ExchangeDelete("ws.exchange", false, false); err != nil {
			t.Fatal(err)
		}
	}
	bound := func(t *testing.T, v *vhost, node string) {
		t.Helper()
		want := []string{"ws.broadcast", "ws.carillon", "ws.node." + node}
		eventually(t, func() error {
			if got := v.keys(t, "ws.queue."+node); !slices.Equal(got, want) {
				return fmt.Errorf("got keys %q, want %q", got, want)
			}
			return nil
		})
	}
	t.Run("in time", func(t *testing.T) {
		v := newVhost(t)
		o := rabbitmq.Options{URLs: []string{v.url}}
		a, b := openNode(t, o, "a"), newNode(t, o, "b")
		b.BindEvery(50 * time.Millisecond)
		b.open(t)
		deleted(t, v)
		bound(t, v, "b")
		a.Send("b", push("1"), nil)
		a.SendAll(push("2"), nil)
		a.Broadcast(push("3"), nil)
		if got := payloads(b.awaits(t, 3)); !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Errorf("got %q", got)
		}
		if s := b.Stats(); !s.Up || s.Reconnects != 0 {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("who publishes", func(t *testing.T) {
		v := newVhost(t)
		o := rabbitmq.Options{URLs: []string{v.url}}
		a, b := newNode(t, o, "a"), openNode(t, o, "b")
		a.BindEvery(time.Hour)
		a.open(t)
		deleted(t, v)
		a.SendAll(push("to nobody"), nil)
		bound(t, v, "a")
		b.Send("a", push("1"), nil)
		a.awaits(t, 1)
	})
}

// Binding again disturbs nothing that is under way.
func TestBindingAgainLosesNothing(t *testing.T) {
	v := newVhost(t)
	o := rabbitmq.Options{URLs: []string{v.url}}
	a, b := openNode(t, o, "a"), newNode(t, o, "b")
	b.BindEvery(time.Millisecond)
	b.open(t)
	s := newSequence(a, b)
	s.publish(3000)
	s.check(t)
	if st := b.Stats(); st.Reconnects != 0 || st.Duplicates != 0 {
		t.Errorf("got %+v", st)
	}
}
