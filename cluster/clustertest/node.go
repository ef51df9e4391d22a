package clustertest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"carillon/cluster"
)

// node is what a gateway is to its Presence.
type node struct {
	cluster.Presence
	c        *presences
	self     cluster.Node
	sessions *Sessions
	left     atomic.Bool
}

// node returns a node that has not joined. It leaves at the end of the test.
func (c *presences) node(t testing.TB, id string) *node {
	t.Helper()
	self := cluster.Node{
		ID:      id,
		Tag:     newTag(),
		Version: "v1.2.3 of " + id,
		Address: "[::1]:18001",
		Started: time.Now(),
	}
	n := &node{Presence: c.New(t), c: c, self: self, sessions: NewSessions(self.Tag)}
	t.Cleanup(func() { n.leave(t) })
	return n
}

// joined returns nodes that have joined and see each other.
func (c *presences) joined(t testing.TB, ids ...string) []*node {
	t.Helper()
	nodes := make([]*node, len(ids))
	for i, id := range ids {
		nodes[i] = c.node(t, id)
		nodes[i].join(t)
	}
	c.everywhere(t, nodes, func(n *node) error { return n.sees(ids...) })
	return nodes
}

func (n *node) join(t testing.TB) {
	t.Helper()
	if err := n.Join(n.c.ctx, n.self, n.sessions); err != nil {
		t.Fatalf("%s: join: %v", n.self.ID, err)
	}
}

func (n *node) leave(t testing.TB) {
	t.Helper()
	if n.left.Swap(true) {
		return
	}
	ctx, cancel := within(n.c.ctx, n.c.Patience)
	defer cancel()
	if err := n.Leave(ctx); err != nil {
		t.Errorf("%s: leave: %v", n.self.ID, err)
	}
}

func (n *node) connect(user string) cluster.SessionID {
	id := n.sessions.NewID()
	n.sessions.Add(user, id)
	n.Connect(user, id)
	return id
}

func (n *node) disconnect(user string, id cluster.SessionID) {
	n.sessions.Remove(user, id)
	n.Disconnect(user, id)
}

// hold adds a session that the Presence is not told about.
func (n *node) hold(user string) cluster.SessionID {
	id := n.sessions.NewID()
	n.sessions.Add(user, id)
	return id
}

// everywhere waits until check is content with every node.
func (c *presences) everywhere(t testing.TB, nodes []*node, check func(*node) error) {
	t.Helper()
	Eventually(t, c.Patience, func() error {
		for _, n := range nodes {
			if err := check(n); err != nil {
				return fmt.Errorf("seen from %s: %w", n.self.ID, err)
			}
		}
		return nil
	})
}

// sees returns nil when the node sees exactly the nodes with these ids.
func (n *node) sees(ids ...string) error {
	want := slices.Sorted(slices.Values(ids))
	nodes, err := n.Nodes(n.c.ctx)
	if err != nil {
		return err
	}
	if got := idsOf(nodes); !slices.Equal(got, want) {
		return fmt.Errorf("got nodes %q, want %q", got, want)
	}
	members := idsOf(n.Members())
	slices.Sort(members)
	if !slices.Equal(members, want) {
		return fmt.Errorf("got members %q, want %q", members, want)
	}
	return nil
}

func idsOf(nodes []cluster.Node) []string {
	ids := make([]string, len(nodes))
	for i, n := range nodes {
		ids[i] = n.ID
	}
	return ids
}

// at says where a user is: how many sessions on which node.
type at map[string]int

// finds returns nil when the node finds the user there and nowhere else.
func (n *node) finds(user string, want at) error {
	locations, err := n.Locate(n.c.ctx, []string{user})
	if err != nil {
		return err
	}
	if len(locations) != 1 {
		return fmt.Errorf("got %d locations of one user", len(locations))
	}
	return isAt(user, locations[0], want)
}

func isAt(user string, l cluster.Location, want at) error {
	got := make(at)
	for _, p := range l.Places {
		if _, twice := got[p.Node]; twice {
			return fmt.Errorf("user %q: node %s is named twice in %v", user, p.Node, l.Places)
		}
		got[p.Node] = p.Sessions
	}
	if !maps.Equal(got, want) {
		return fmt.Errorf("user %q: got sessions %v, want %v", user, got, want)
	}
	if l.Foreign {
		return fmt.Errorf("user %q: said to be on a node of the reference", user)
	}
	return nil
}

// counts returns nil when the node counts so in the whole cluster.
func (n *node) counts(want cluster.Counts) error {
	got, err := n.Count(n.c.ctx)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("got %+v, want %+v", got, want)
	}
	return nil
}

// isAlive returns nil while the node is a member of its cluster.
func (n *node) isAlive() error {
	if err := n.Ready(); err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	select {
	case <-n.Lost():
		return errors.New("lost is closed")
	default:
	}
	if !n.Stats().Up {
		return errors.New("not up")
	}
	return nil
}
