package clustertest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"carillon/cluster"
)

func checkOpen(t testing.TB, c *buses) {
	a := c.member(t, "a")
	if a.Ready() == nil {
		t.Error("ready before it is open")
	}
	if !a.Shared() {
		t.Error("not shared")
	}
	a.open(t)
	b := c.opened(t, "b")[0]
	for _, m := range []*member{a, b} {
		if err := m.Admit(); err != nil {
			t.Errorf("%s: admit: %v", m.self.ID, err)
		}
		if !m.Stats().Up {
			t.Errorf("%s: not up", m.self.ID)
		}
	}
	c.settle(t, a, b)
}

func checkOpenAfterContextEnd(t testing.TB, c *buses) {
	a := c.member(t, "a")
	ended, cancel := context.WithCancel(c.ctx)
	cancel()
	if err := a.Open(ended, a.self, a.handle); err == nil {
		t.Fatal("opened, although the context had ended")
	} else if errors.Is(err, cluster.ErrNodeTaken) {
		t.Errorf("got %v", err)
	}
	a.open(t)
	c.settle(t, a, c.opened(t, "b")[0])
}

func checkBusTaken(t testing.TB, c *buses) {
	members := c.opened(t, "a", "b")
	a, b := members[0], members[1]
	second := c.member(t, "a")
	if err := second.Open(c.ctx, second.self, second.handle); !errors.Is(err, cluster.ErrNodeTaken) {
		t.Fatalf("got %v, want %v", err, cluster.ErrNodeTaken)
	}
	second.close(t)
	b.Send("a", push("to the first"), nil)
	b.Broadcast(push("to all"), nil)
	c.settle(t, a, b)
	if err := are(a.taken(), "b", []*cluster.Operation{push("to the first"), push("to all")}); err != nil {
		t.Error(err)
	}
	if got := second.taken(); len(got) != 0 {
		t.Errorf("the second has got %d operations", len(got))
	}

	a.close(t)
	third := c.opened(t, "a")[0]
	b.Send("a", push("to the third"), nil)
	c.settle(t, third, b)
	if err := are(third.taken(), "b", []*cluster.Operation{push("to the third")}); err != nil {
		t.Error(err)
	}
}

func checkPublishBeforeOpen(t testing.TB, c *buses) {
	b := c.opened(t, "b")[0]
	a := c.member(t, "a")
	var said results
	var want []*cluster.Operation
	for i := range 30 {
		op := push(fmt.Sprint("early ", i))
		a.publish(i, "b", op, said.of(op.Payload))
		want = append(want, op)
	}
	a.open(t)
	c.settle(t, a, b)
	if err := are(b.taken(), "a", want); err != nil {
		t.Error(err)
	}
	Eventually(t, c.Patience, func() error { return said.are(nil) })
}

func checkOpenWhileAway(t testing.TB, c *buses) {
	back := c.goAway(t)
	a := c.member(t, "a")
	ctx, cancel := context.WithTimeout(c.ctx, awayCall)
	defer cancel()
	if err := a.Open(ctx, a.self, a.handle); !errors.Is(err, cluster.ErrAway) {
		t.Errorf("got %v, want %v", err, cluster.ErrAway)
	}
	back()
	Eventually(t, c.Patience, func() error { return a.Open(c.ctx, a.self, a.handle) })
	Eventually(t, c.Patience, a.Ready)
	c.settle(t, a, c.opened(t, "b")[0])
}
