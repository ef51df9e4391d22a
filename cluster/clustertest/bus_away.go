package clustertest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"carillon/cluster"
)

// What is published around an outage arrives once, in order.
func checkBusAway(t testing.TB, c *buses) {
	members := c.opened(t, "a", "b")
	a, b := members[0], members[1]
	var said results
	var want []*cluster.Operation
	publish := func(n int) {
		for range n {
			op := numbered(len(want))
			if broadcasts(op) && len(want)%4 == 0 {
				a.Broadcast(op, said.of(fmt.Sprint(len(want))))
			} else {
				a.Send("b", op, said.of(fmt.Sprint(len(want))))
			}
			want = append(want, op)
		}
	}
	for range 3 {
		publish(200)
		back := c.goAway(t) // some of them are under way
		publish(100)
		Eventually(t, c.Patience, func() error {
			for _, m := range members {
				if err := m.Ready(); !errors.Is(err, cluster.ErrAway) || m.Stats().Up {
					return fmt.Errorf("%s: ready: got %v, want %v, and not up: %+v", m.self.ID, err, cluster.ErrAway, m.Stats())
				}
			}
			return nil
		})
		publish(100)
		if s := a.Stats(); s.OutboxMessages < 100 || s.OutboxBytes <= 0 || s.OutboxAge <= 0 {
			t.Errorf("100 operations wait: got %+v", s)
		}
		back()
		publish(100)
		c.settle(t, a, b)
		Eventually(t, c.Patience, func() error { return errors.Join(a.Ready(), b.Ready(), said.are(nil)) })
	}
	if err := are(b.taken(), "a", want); err != nil {
		t.Error(err)
	}
	Eventually(t, c.Patience, func() error {
		if s := a.Stats(); s.OutboxMessages != 0 || s.OutboxBytes != 0 || s.OutboxAge != 0 || s.Reconnects == 0 || !s.Up {
			return fmt.Errorf("the broker is back: got %+v", s)
		}
		return nil
	})
}

// A full outbox refuses, keeps what it has accepted, and accepts again.
func checkOutboxFull(t testing.TB, c *buses) {
	members := c.opened(t, "a", "b")
	a, b := members[0], members[1]
	limit := a.Stats().OutboxMaxBytes
	if limit <= 0 {
		t.Fatalf("an outbox without a limit: %+v", a.Stats())
	}
	back := c.goAway(t)
	var said results
	var want []*cluster.Operation
	text := strings.Repeat("x", 16<<10)
	deadline := time.Now().Add(patience)
	for size := 0; a.Admit() == nil; size += len(text) {
		if size > 2*limit || time.Now().After(deadline) {
			t.Fatalf("%d bytes are accepted: %+v", size, a.Stats())
		}
		op := push(fmt.Sprint(len(want), text))
		a.Send("b", op, said.of(fmt.Sprint(len(want))))
		want = append(want, op)
	}
	if err := a.Admit(); !errors.Is(err, cluster.ErrOutboxFull) {
		t.Errorf("got %v, want %v", err, cluster.ErrOutboxFull)
	}
	if s := a.Stats(); s.Refused == 0 || s.OutboxBytes == 0 || s.OutboxMessages == 0 {
		t.Errorf("a full outbox: got %+v", s)
	}
	if err := b.Admit(); err != nil {
		t.Errorf("the outbox of another: %v", err)
	}
	over := push("accepted before it was full")
	a.Send("b", over, said.of("over"))
	want = append(want, over)
	back()
	c.settle(t, a, b)
	if err := are(b.taken(), "a", want); err != nil {
		t.Error(err)
	}
	Eventually(t, c.Patience, func() error { return errors.Join(said.are(nil), a.Admit()) })
}
