package clustertest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"carillon/cluster"
)

// awayCall is how long a call may wait for a server that is away.
const awayCall = 2 * time.Second

// While the server is away changes wait; when it is back they show.
func checkPresenceAway(t testing.TB, c *presences) {
	nodes := c.joined(t, "a", "b")
	a, b := nodes[0], nodes[1]
	leaves := a.connect("leaves")
	a.connect("stays")
	c.everywhere(t, nodes, func(n *node) error { return n.counts(cluster.Counts{Users: 2, Sessions: 2, Nodes: 2}) })

	back := c.goAway(t)
	for i := range 100 {
		a.connect(fmt.Sprint("comes-", i))
	}
	a.disconnect("leaves", leaves)
	b.connect("stays")
	b.disconnect("passes", b.connect("passes"))
	c.everywhere(t, nodes, func(n *node) error {
		if err := n.Ready(); !errors.Is(err, cluster.ErrAway) {
			return fmt.Errorf("ready: got %v, want %v", err, cluster.ErrAway)
		}
		if n.Stats().Up {
			return errors.New("up, although the server is away")
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(c.ctx, awayCall)
	defer cancel()
	_, counted := b.Count(ctx)
	_, listed := b.Nodes(ctx)
	_, _, paged := b.ListUsers(ctx, "", 10)
	_, located := b.Locate(ctx, []string{"never asked for"})
	for i, err := range []error{counted, listed, paged, located} {
		if !errors.Is(err, cluster.ErrAway) {
			t.Errorf("call %d: got %v, want %v", i, err, cluster.ErrAway)
		}
	}
	back()

	c.everywhere(t, nodes, func(n *node) error {
		for i := range 100 {
			if err := n.finds(fmt.Sprint("comes-", i), at{"a": 1}); err != nil {
				return err
			}
		}
		return errors.Join(n.finds("leaves", at{}), n.finds("passes", at{}), n.finds("stays", at{"a": 1, "b": 1}),
			n.counts(cluster.Counts{Users: 101, Sessions: 102, Nodes: 2}), n.isAlive())
	})
}

func checkJoinWhileAway(t testing.TB, c *presences) {
	back := c.goAway(t)
	a := c.node(t, "a")
	ctx, cancel := context.WithTimeout(c.ctx, awayCall)
	defer cancel()
	if err := a.Join(ctx, a.self, a.sessions); !errors.Is(err, cluster.ErrAway) {
		t.Errorf("got %v, want %v", err, cluster.ErrAway)
	}
	a.connect("user")
	back()
	Eventually(t, c.Patience, func() error { return a.Join(c.ctx, a.self, a.sessions) })
	c.everywhere(t, []*node{a}, func(n *node) error { return errors.Join(n.finds("user", at{"a": 1}), n.isAlive()) })
}
