package clustertest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"carillon/cluster"
)

func checkJoin(t testing.TB, c *presences) {
	first := c.node(t, "a")
	if first.Ready() == nil {
		t.Error("ready before it has joined")
	}
	if !first.Shared() {
		t.Error("not shared")
	}
	nodes := c.joined(t, "node-2", "node-1", "node-3")
	for _, n := range nodes {
		if err := n.isAlive(); err != nil {
			t.Errorf("%s: %v", n.self.ID, err)
		}
		if n.Mixed() {
			t.Errorf("%s: mixed, but there is no node of the reference", n.self.ID)
		}
		got, err := n.Nodes(c.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []*node{nodes[1], nodes[0], nodes[2]} { // by id
			if err := sameNode(got[i], want.self); err != nil {
				t.Errorf("nodes of %s: %v", n.self.ID, err)
			}
			if e := got[i].Expires; !e.IsZero() && e.Before(want.self.Started) {
				t.Errorf("nodes of %s: %s has expired at %v", n.self.ID, got[i].ID, e)
			}
		}
		for _, m := range n.Members() {
			for _, want := range nodes {
				if m.ID != want.self.ID {
					continue
				}
				if m.Tag != want.self.Tag {
					t.Errorf("members of %s: got tag %x of %s, want %x", n.self.ID, m.Tag, m.ID, want.self.Tag)
				}
			}
		}
	}
}

func sameNode(got, want cluster.Node) error {
	switch {
	case got.ID != want.ID:
		return fmt.Errorf("got node %s, want %s", got.ID, want.ID)
	case got.Tag != want.Tag:
		return fmt.Errorf("got tag %x of %s, want %x", got.Tag, want.ID, want.Tag)
	case got.Incarnation == 0:
		return fmt.Errorf("%s has no incarnation", want.ID)
	case got.Version != want.Version || got.Address != want.Address:
		return fmt.Errorf("got version %q and address %q of %s, want %q and %q", got.Version, got.Address, want.ID, want.Version, want.Address)
	case got.Started.Sub(want.Started).Abs() > time.Second:
		return fmt.Errorf("got start %v of %s, want %v", got.Started, want.ID, want.Started)
	}
	return nil
}

func checkJoinHeld(t testing.TB, c *presences) {
	a, b := c.node(t, "a"), c.node(t, "b")
	b.join(t)
	const users = 200
	for i := range users {
		a.hold(fmt.Sprint("user-", i))
		a.hold(fmt.Sprint("user-", i))
	}
	a.join(t)
	c.everywhere(t, []*node{a, b}, func(n *node) error {
		for i := range users {
			if err := n.finds(fmt.Sprint("user-", i), at{"a": 2}); err != nil {
				return err
			}
		}
		return n.counts(cluster.Counts{Users: users, Sessions: 2 * users, Nodes: 2})
	})
}

// Sessions come and go before Join has returned: those from before are told twice,
// by Connect and by what is held, and must count once.
func checkConnectBeforeJoin(t testing.TB, c *presences) {
	a, b := c.node(t, "a"), c.node(t, "b")
	b.join(t)
	for i := range 50 {
		a.connect(fmt.Sprint("stays-", i))
		a.disconnect("leaves", a.connect("leaves"))
	}
	stop := make(chan struct{})
	ended := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				ended <- n
				return
			default:
			}
			if n < 500 {
				a.connect(fmt.Sprint("meanwhile-", n%10))
				n++
			}
			a.disconnect("leaves", a.connect("leaves"))
			time.Sleep(50 * time.Microsecond) // some thousand changes a second
		}
	}()
	err := a.Join(c.ctx, a.self, a.sessions)
	close(stop)
	meanwhile := <-ended
	if err != nil {
		t.Fatal(err)
	}
	for ; meanwhile < 10; meanwhile++ {
		a.connect(fmt.Sprint("meanwhile-", meanwhile%10))
	}
	c.everywhere(t, []*node{a, b}, func(n *node) error {
		for i := range 50 {
			if err := n.finds(fmt.Sprint("stays-", i), at{"a": 1}); err != nil {
				return err
			}
		}
		for i := range 10 {
			user := fmt.Sprint("meanwhile-", i)
			if err := n.finds(user, at{"a": a.sessions.CountOf(user)}); err != nil {
				return err
			}
		}
		if err := n.finds("leaves", at{}); err != nil {
			return err
		}
		return n.counts(cluster.Counts{Users: 60, Sessions: 50 + meanwhile, Nodes: 2})
	})
}

func checkJoinAfterContextEnd(t testing.TB, c *presences) {
	a, b := c.node(t, "a"), c.node(t, "b")
	b.join(t)
	ended, cancel := context.WithCancel(c.ctx)
	cancel()
	err := a.Join(ended, a.self, a.sessions)
	if err == nil {
		t.Fatal("joined, although the context had ended")
	}
	if errors.Is(err, cluster.ErrNodeTaken) {
		t.Errorf("got %v", err)
	}
	a.join(t)
	a.connect("user")
	c.everywhere(t, []*node{a, b}, func(n *node) error {
		if err := n.finds("user", at{"a": 1}); err != nil {
			return err
		}
		return n.sees("a", "b")
	})
}

func checkPresenceTaken(t testing.TB, c *presences) {
	nodes := c.joined(t, "a", "b")
	a := nodes[0]
	a.connect("user")
	c.everywhere(t, nodes, func(n *node) error { return n.finds("user", at{"a": 1}) })

	second := c.node(t, "a")
	second.hold("user of the second")
	if err := second.Join(c.ctx, second.self, second.sessions); !errors.Is(err, cluster.ErrNodeTaken) {
		t.Fatalf("got %v, want %v", err, cluster.ErrNodeTaken)
	}
	second.leave(t)
	// The change comes after what the second may have written or removed.
	a.connect("later")
	c.everywhere(t, nodes, func(n *node) error {
		return errors.Join(n.finds("later", at{"a": 1}), n.finds("user", at{"a": 1}), n.finds("user of the second", at{}),
			n.counts(cluster.Counts{Users: 2, Sessions: 2, Nodes: 2}), n.isAlive())
	})
	for _, m := range a.Members() {
		if m.Tag == second.self.Tag {
			t.Error("the second is a member")
		}
	}
}

func checkLeave(t testing.TB, c *presences) {
	nodes := c.joined(t, "a", "b", "c")
	a, b, other := nodes[0], nodes[1], nodes[2]
	a.connect("on a")
	a.connect("on both")
	a.connect("on both")
	b.connect("on b")
	b.connect("on both")
	c.everywhere(t, nodes, func(n *node) error { return n.counts(cluster.Counts{Users: 3, Sessions: 5, Nodes: 3}) })
	a.leave(t)
	c.everywhere(t, []*node{b, other}, func(n *node) error {
		sessions, err := n.listSessions("a", 10)
		if err == nil && len(sessions) != 0 {
			err = fmt.Errorf("%d sessions of the node that has left", len(sessions))
		}
		return errors.Join(err, n.finds("on a", at{}), n.finds("on both", at{"b": 1}), n.finds("on b", at{"b": 1}),
			n.counts(cluster.Counts{Users: 2, Sessions: 2, Nodes: 2}), n.sees("b", "c"), n.isAlive())
	})
}

func checkLeaveWithoutJoin(t testing.TB, c *presences) {
	b := c.joined(t, "b")[0]
	a := c.node(t, "a")
	a.disconnect("user", a.connect("user"))
	a.leave(t)
	if err := b.sees("b"); err != nil {
		t.Error(err)
	}
}

func checkComeBack(t testing.TB, c *presences) {
	b := c.joined(t, "b")[0]
	last := uint64(0)
	for i := range 3 {
		a := c.node(t, "a")
		user := fmt.Sprint("user-", i)
		a.join(t)
		a.connect(user)
		c.everywhere(t, []*node{a, b}, func(n *node) error {
			return errors.Join(n.finds(user, at{"a": 1}), n.counts(cluster.Counts{Users: 1, Sessions: 1, Nodes: 2}))
		})
		nodes, err := b.Nodes(c.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := sameNode(nodes[0], a.self); err != nil {
			t.Error(err)
		}
		if nodes[0].Incarnation <= last {
			t.Errorf("start %d: got incarnation %d after %d", i, nodes[0].Incarnation, last)
		}
		last = nodes[0].Incarnation
		a.leave(t)
		c.everywhere(t, []*node{b}, func(n *node) error { return errors.Join(n.finds(user, at{}), n.sees("b")) })
	}
}
