package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"carillon/cluster"
	"carillon/cluster/rabbitmq"
	"carillon/cluster/services"
)

// A broker that is killed and comes back loses and repeats nothing.
func TestBrokerKilled(t *testing.T) {
	t.Parallel() // after all others of this broker, while TestTLS starts one
	v := newVhost(t)
	o := rabbitmq.Options{URLs: []string{v.url}}
	a, b, c := openNode(t, o, "a"), openNode(t, o, "b"), openNode(t, o, "c")
	s := newSequence(a, b, c)
	s.publish(3000)
	eventually(t, func() error { // in the middle of it
		if got := a.Stats().Confirmed; got < 500 {
			return fmt.Errorf("%d are confirmed", got)
		}
		return nil
	})
	v.Kill()
	s.publish(500)
	for _, n := range []*node{a, b, c} {
		eventually(t, func() error {
			if err := n.Ready(); !errors.Is(err, cluster.ErrAway) {
				return fmt.Errorf("%s: ready: %v", n.id, err)
			}
			return nil
		})
	}
	s.publish(500)
	restartBroker(t, v)
	s.check(t)
	eventually(t, func() error {
		if st := a.Stats(); st.Reconnects != 2 || st.OutboxMessages != 0 || st.OutboxBytes != 0 {
			return fmt.Errorf("got %+v", st)
		}
		return nil
	})
	for _, line := range []string{"broker lost", "broker regained"} {
		if n := a.logs.lines(line); n != 1 {
			t.Errorf("%q was logged %d times", line, n)
		}
	}
}

// Connections that break at any byte lose and repeat nothing.
func TestConnectionsCutAnywhere(t *testing.T) {
	v := newVhost(t)
	pa, ua := v.proxied(t)
	pb, ub := v.proxied(t)
	a := openNode(t, rabbitmq.Options{URLs: []string{ua}}, "a")
	b := openNode(t, rabbitmq.Options{URLs: []string{ub}, Prefetch: 32}, "b")
	s := newSequence(a, b)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for range 12 {
		p := []*services.Proxy{pa, pb}[random.IntN(2)]
		before := a.Stats().Reconnects + b.Stats().Reconnects
		p.CutAfter(random.Int64N(60_000), []services.Ending{services.FIN, services.RST}[random.IntN(2)])
		s.publish(300 + random.IntN(300))
		eventually(t, func() error {
			if a.Stats().Reconnects+b.Stats().Reconnects > before {
				return nil
			}
			if got, want := b.count(), len(s.want[b]); got < want {
				return fmt.Errorf("got %d of %d, %+v", got, want, a.Stats())
			}
			return nil
		})
	}
	restore(t, pa)
	restore(t, pb)
	s.check(t)
	t.Logf("publisher %+v", a.Stats())
	t.Logf("receiver %+v", b.Stats())
	if a.Stats().Reconnects+b.Stats().Reconnects == 0 {
		t.Error("nothing was cut")
	}
	if a.Stats().Resent == 0 {
		t.Error("nothing was sent again")
	}
}

// A connection that is open and silent is given up: for confirms that do not come
// by the one side, for heartbeats by the other.
func TestSilentConnection(t *testing.T) {
	v := newVhost(t)
	p, through := v.proxied(t)
	a := openNode(t, rabbitmq.Options{URLs: []string{through, v.url}, ConfirmTimeout: time.Second, Heartbeat: time.Second}, "a")
	b := openNode(t, rabbitmq.Options{URLs: []string{v.url}}, "b")
	back := newSequence(b, a)
	s := newSequence(a, b)
	s.publish(300)
	back.publish(300)
	s.check(t)
	back.check(t)
	p.Blackhole()
	s.publish(300)
	back.publish(300)
	s.check(t) // by the other URL
	back.check(t)
	// The broker has not noticed, and the node has to wait for its own consumer.
	if got := a.Stats().Reconnects; got < 2 {
		t.Errorf("%d reconnects", got)
	}
	restore(t, p)
}

// A broker that stays silent about what it got is left before heartbeats are missed.
func TestConfirmsThatDoNotCome(t *testing.T) {
	v := newVhost(t)
	p, through := v.proxied(t)
	a := openNode(t, rabbitmq.Options{URLs: []string{through, v.url}, ConfirmTimeout: 300 * time.Millisecond}, "a")
	b := openNode(t, rabbitmq.Options{URLs: []string{v.url}}, "b")
	p.Blackhole()
	a.Send("b", push("m"), nil)
	b.awaits(t, 1)
	if n := a.logs.lines("the broker confirms nothing"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	restore(t, p)
}

// A write that cannot go on ends as well: the sockets have no room for this message.
func TestSilentConnectionInAWrite(t *testing.T) {
	v := newVhost(t)
	p, through := v.proxied(t)
	a := openNode(t, rabbitmq.Options{URLs: []string{through, v.url}, ConfirmTimeout: time.Second}, "a")
	b := openNode(t, rabbitmq.Options{URLs: []string{v.url}}, "b")
	p.Blackhole()
	large := strings.Repeat("x", 16<<20)
	a.Send("b", push(large), nil)
	a.Send("b", push("small"), nil)
	if got := payloads(b.awaits(t, 2)); got[0] != large || got[1] != "small" {
		t.Errorf("got %.20q", got)
	}
	restore(t, p)
}

// The broker keeps the queue of a node that it has lost for as long as it was told.
func TestQueueOfADeadNodeExpires(t *testing.T) {
	v := newVhost(t)
	p, through := v.proxied(t)
	n := openNode(t, rabbitmq.Options{URLs: []string{through, v.url}, QueueExpires: 300 * time.Millisecond}, "a")
	q, ok := v.queue(t, "ws.queue.a")
	if !ok || fmt.Sprint(q.Arguments) != "map[x-expires:300]" {
		t.Errorf("got %+v", q)
	}
	dead := newNode(t, rabbitmq.Options{URLs: []string{through}, QueueExpires: 300 * time.Millisecond}, "dead")
	dead.open(t)
	p.Refuse(services.RST)
	eventually(t, func() error {
		if q, ok := v.queue(t, "ws.queue.dead"); ok {
			return fmt.Errorf("there is %+v", q)
		}
		return nil
	})
	eventually(t, n.Ready) // by its other URL
	if _, ok := v.queue(t, "ws.queue.a"); !ok {
		t.Error("the queue of a node that is alive has expired")
	}
	restore(t, p)
	eventually(t, dead.Ready)
	n.Send("dead", push("m"), nil)
	dead.awaits(t, 1)
}

// A broker in alarm takes no messages and delivers those that it has.
func TestBrokerInAlarm(t *testing.T) {
	v := newVhost(t)
	o := rabbitmq.Options{URLs: []string{v.url}, ConfirmTimeout: 500 * time.Millisecond}
	a, b := openNode(t, o, "a"), openNode(t, o, "b")
	s := newSequence(a, b)
	s.publish(10)
	s.check(t)
	if err := v.BlockPublishers(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.UnblockPublishers(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s.publish(100)
	eventually(t, func() error {
		if err := a.Ready(); !errors.Is(err, cluster.ErrAway) || !contains(err, "memory or disk") {
			return fmt.Errorf("ready: %v", err)
		}
		return nil
	})
	// Longer than the time for confirms: the connection is not to blame.
	eventually(t, func() error {
		if age := a.Stats().OutboxAge; age < time.Second {
			return fmt.Errorf("the oldest is %v old", age)
		}
		return nil
	})
	if st := a.Stats(); st.Up || st.Reconnects != 0 || st.OutboxMessages == 0 {
		t.Errorf("got %+v", st)
	}
	if err := b.Ready(); err != nil {
		t.Errorf("who publishes nothing is not concerned: %v", err)
	}
	if err := v.UnblockPublishers(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.check(t)
	if err := a.Ready(); err != nil {
		t.Error(err)
	}
	for _, line := range []string{"takes no messages", "takes messages again"} {
		if n := a.logs.lines(line); n != 1 {
			t.Errorf("%q was logged %d times", line, n)
		}
	}
}
