package clustertest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"carillon/cluster"
)

// Every method is called by several goroutines at once, on two nodes.
func checkPresenceConcurrency(t testing.TB, c *presences) {
	nodes := c.joined(t, "a", "b")
	keep := nodes[0].connect("stays")
	c.everywhere(t, nodes, func(n *node) error { return n.finds("stays", at{"a": 1}) })
	ended, cancel := context.WithCancel(c.ctx)
	cancel()
	calls := []func(n *node) error{
		func(n *node) error { n.disconnect("passes", n.connect("passes")); return nil },
		func(n *node) error { n.disconnect("stays", n.connect("stays")); return nil },
		func(n *node) error { n.Members(); n.Mixed(); n.Shared(); n.Stats(); return nil },
		func(n *node) error { return n.isAlive() },
		func(n *node) error { _, err := n.Locate(c.ctx, []string{"passes", "stays", "unknown"}); return err },
		func(n *node) error {
			_, err := n.LocateSessions(c.ctx, []string{keep.String(), n.sessions.NewID().String()})
			return err
		},
		func(n *node) error { _, err := n.Count(c.ctx); return err },
		func(n *node) error { return n.sees("a", "b") },
		func(n *node) error { _, err := n.listUsers(10); return err },
		func(n *node) error { _, err := n.listSessions("a", 10); return err },
		func(n *node) error { // the end of one caller's context is not the others' business
			_, _ = n.Locate(ended, []string{"stays"})
			_, _ = n.LocateSessions(ended, []string{keep.String()})
			_, _ = n.Count(ended)
			_, _ = n.Nodes(ended)
			_, _, _ = n.ListUsers(ended, "", 10)
			_, _, _ = n.ListSessions(ended, "", "", 10)
			return nil
		},
	}
	var loops sync.WaitGroup
	for _, n := range nodes {
		for i, call := range calls {
			loops.Go(func() {
				for range 40 {
					if err := call(n); err != nil {
						t.Errorf("%s: call %d: %v", n.self.ID, i, err)
						return
					}
				}
			})
		}
	}
	loops.Wait()
	c.everywhere(t, nodes, func(n *node) error {
		if err := n.finds("stays", at{"a": 1}); err != nil {
			return err
		}
		return n.counts(cluster.Counts{Users: 1, Sessions: 1, Nodes: 2})
	})
}

func checkPresenceStats(t testing.TB, c *presences) {
	nodes := c.joined(t, "a", "b")
	a := nodes[0]
	const users = 300
	for i := range users {
		a.connect(fmt.Sprint("user-", i))
	}
	c.everywhere(t, nodes, func(n *node) error { return n.counts(cluster.Counts{Users: users, Sessions: users, Nodes: 2}) })
	for range 2 {
		if err := a.finds("user-1", at{"a": 1}); err != nil {
			t.Error(err)
		}
	}
	Eventually(t, c.Patience, func() error {
		s := a.Stats()
		if !s.Up || s.Pending != 0 || s.Errors != 0 || s.LeasesLost != 0 {
			return fmt.Errorf("got %+v", s)
		}
		if !c.Written {
			return nil
		}
		if s.Changes < users || s.RoundTrips == 0 || s.RoundTrips > s.Changes || s.Commands < s.RoundTrips || s.PendingMax == 0 || s.CacheHits+s.CacheMisses < 2 {
			return fmt.Errorf("%d users and two lookups: got %+v", users, s)
		}
		return nil
	})
}
