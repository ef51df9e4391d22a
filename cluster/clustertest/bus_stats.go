package clustertest

import (
	"fmt"
	"sync"
	"testing"

	"carillon/cluster"
)

// Every method is called by several goroutines at once, on two nodes.
func checkBusConcurrency(t testing.TB, c *buses) {
	members := c.opened(t, "a", "b")
	const times = 50
	calls := []func(m *member, to string) error{
		func(m *member, _ string) error { m.Broadcast(push("x"), nil); return nil },
		func(m *member, _ string) error { m.SendAll(push("x"), nil); return nil },
		func(m *member, to string) error { m.Send(to, push("x"), nil); return nil },
		func(m *member, _ string) error { return m.Admit() },
		func(m *member, _ string) error { return m.Ready() },
		func(m *member, _ string) error { m.Stats(); m.Shared(); return nil },
		func(m *member, _ string) error { return m.Forget(c.ctx, "nobody") },
	}
	var loops sync.WaitGroup
	for k, m := range members {
		for i, call := range calls {
			loops.Go(func() {
				for range times {
					if err := call(m, members[1-k].self.ID); err != nil {
						t.Errorf("%s: call %d: %v", m.self.ID, i, err)
						return
					}
				}
			})
		}
	}
	loops.Wait()
	all := func() error {
		for _, m := range members {
			if got := len(m.taken()); got != 3*times {
				return fmt.Errorf("%s: got %d operations, want %d", m.self.ID, got, 3*times)
			}
		}
		return nil
	}
	Eventually(t, c.Patience, all)
	c.settle(t, members...)
	if err := all(); err != nil {
		t.Error(err)
	}
}

func checkBusStats(t testing.TB, c *buses) {
	members := c.opened(t, "a", "b", "c")
	a, b := members[0], members[1]
	const each = 10
	for range each {
		a.Broadcast(push("x"), nil)
		a.SendAll(&cluster.Operation{Kind: cluster.KickAll}, nil)
		a.Send("b", push("x"), nil)
	}
	c.settle(t, a, b)
	Eventually(t, c.Patience, func() error {
		s := a.Stats()
		if !s.Up || s.Published < 3*each || s.Confirmed < 3*each || s.OutboxMessages != 0 || s.OutboxBytes != 0 || s.OutboxAge != 0 || s.OutboxMaxBytes <= 0 {
			return fmt.Errorf("the publisher of %d operations: got %+v", 3*each, s)
		}
		if s.Unroutable+s.Refused+s.Resent+s.Poison+s.Duplicates+s.Reconnects != 0 {
			return fmt.Errorf("nothing has gone wrong: got %+v", s)
		}
		s = b.Stats()
		if s.Received < 3*each || s.Received-s.Own-s.Duplicates-s.Poison != 3*each+1 { // and one mark
			return fmt.Errorf("the receiver of %d operations: got %+v", 3*each, s)
		}
		if s.Duplicates+s.Poison != 0 || s.Blocked {
			return fmt.Errorf("nothing has gone wrong: got %+v", s)
		}
		return nil
	})
}
