package clustertest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"carillon/cluster"
)

func checkLocateByIndex(t testing.TB, c *presences) {
	nodes := c.joined(t, "a", "b")
	nodes[0].connect("x")
	nodes[1].connect("y")
	nodes[1].connect("x")
	users := []string{"y", "unknown", "x", "y", "", "x", "unknown"}
	want := []at{{"b": 1}, {}, {"a": 1, "b": 1}, {"b": 1}, {}, {"a": 1, "b": 1}, {}}
	for range 2 { // the second time from memory, perhaps
		c.everywhere(t, nodes, func(n *node) error {
			locations, err := n.Locate(c.ctx, users)
			if err != nil {
				return err
			}
			if len(locations) != len(users) {
				return fmt.Errorf("got %d locations of %d users", len(locations), len(users))
			}
			for i, l := range locations {
				if err := isAt(users[i], l, want[i]); err != nil {
					return fmt.Errorf("at %d: %w", i, err)
				}
			}
			return nil
		})
	}
	for _, none := range [][]string{nil, {}} {
		if locations, err := nodes[0].Locate(c.ctx, none); err != nil || len(locations) != 0 {
			t.Errorf("no users: got %v, %v", locations, err)
		}
		if ids, err := nodes[0].LocateSessions(c.ctx, none); err != nil || len(ids) != 0 {
			t.Errorf("no sessions: got %v, %v", ids, err)
		}
	}
}

func checkLocateMany(t testing.TB, c *presences) {
	nodes := []*node{c.node(t, "a"), c.node(t, "b"), c.node(t, "c")}
	const users = 10_000
	names, want := make([]string, users), make([]at, users)
	for i := range users {
		names[i], want[i] = fmt.Sprint("user-", i), at{}
		for k, n := range nodes {
			if i%(k+2) == 0 { // on none, one, two or three of them
				n.hold(names[i])
				want[i][n.self.ID] = 1
			}
		}
	}
	for _, n := range nodes {
		n.join(t)
	}
	c.everywhere(t, nodes, func(n *node) error {
		locations, err := n.Locate(c.ctx, names)
		if err != nil {
			return err
		}
		if len(locations) != users {
			return fmt.Errorf("got %d locations of %d users", len(locations), users)
		}
		for i, l := range locations {
			if err := isAt(names[i], l, want[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// What a node remembers of a user gives way to a change, wherever it happens.
func checkLocateAfterChange(t testing.TB, c *presences) {
	nodes := c.joined(t, "a", "b", "c")
	a, b, asking := nodes[0], nodes[1], nodes[2]
	is := func(want at) {
		t.Helper()
		c.everywhere(t, nodes, func(n *node) error { return n.finds("user", want) })
		for range 10 {
			if err := asking.finds("user", want); err != nil {
				t.Fatalf("asked again: %v", err)
			}
		}
	}
	for range 5 {
		is(at{})
		onA := a.connect("user")
		is(at{"a": 1})
		onB := b.connect("user")
		is(at{"a": 1, "b": 1})
		a.disconnect("user", onA)
		is(at{"b": 1})
		own := asking.connect("user")
		is(at{"b": 1, "c": 1})
		b.disconnect("user", onB)
		asking.disconnect("user", own)
	}
	is(at{})
}

func checkLocateSessions(t testing.TB, c *presences) {
	nodes := c.joined(t, "a", "b")
	a, b := nodes[0], nodes[1]
	onA, onB, gone := a.connect("x"), b.connect("x"), b.connect("y")
	b.disconnect("y", gone)
	unknown := a.sessions.NewID().String()
	ids := []string{onB.String(), unknown, onA.String(), "", "not an id", onB.String(), gone.String(), "x"}
	want := []string{"b", "", "a", "", "", "b", "", ""}
	located := func(want []string) {
		t.Helper()
		c.everywhere(t, nodes, func(n *node) error {
			got, err := n.LocateSessions(c.ctx, ids)
			if err != nil {
				return err
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("got nodes %q of the sessions, want %q", got, want)
			}
			return nil
		})
	}
	located(want)
	a.disconnect("x", onA)
	want[2] = ""
	located(want)
}

// A node that has just come is a member as soon as a session of it is found: else it
// would be taken for one of the reference.
func checkLocateSessionsOfNewNode(t testing.TB, c *presences) {
	a := c.joined(t, "a")[0]
	for i := range 3 {
		b := c.node(t, fmt.Sprint("new-", i))
		b.join(t)
		id := b.connect("user").String()
		Eventually(t, c.Patience, func() error {
			got, err := a.LocateSessions(c.ctx, []string{id})
			if err == nil && got[0] != b.self.ID {
				err = fmt.Errorf("got node %q of the session, want %q", got[0], b.self.ID)
			}
			return err
		})
		if ids := idsOf(a.Members()); !slices.Contains(ids, b.self.ID) {
			t.Errorf("a session is found on %s, and the members are %q", b.self.ID, ids)
		}
	}
}

func checkCount(t testing.TB, c *presences) {
	nodes := c.joined(t, "a", "b")
	a, b := nodes[0], nodes[1]
	c.everywhere(t, nodes, func(n *node) error { return n.counts(cluster.Counts{Nodes: 2}) })
	const users = 100
	ids := make([]cluster.SessionID, users)
	for i := range users {
		user := fmt.Sprint("user-", i)
		ids[i] = a.connect(user)
		if i%2 == 0 {
			a.connect(user)
			b.connect(user)
		}
	}
	perNode := func(n *node, usersOfA, sessionsOfA, usersOfB, sessionsOfB int) error {
		got, err := n.Nodes(c.ctx)
		if err != nil {
			return err
		}
		for i, want := range [][2]int{{usersOfA, sessionsOfA}, {usersOfB, sessionsOfB}} {
			if got[i].Users != want[0] || got[i].Sessions != want[1] {
				return fmt.Errorf("%s: got %d users and %d sessions, want %d and %d", got[i].ID, got[i].Users, got[i].Sessions, want[0], want[1])
			}
		}
		return nil
	}
	c.everywhere(t, nodes, func(n *node) error {
		return errors.Join(n.counts(cluster.Counts{Users: users, Sessions: 2 * users, Nodes: 2}),
			perNode(n, users, users+users/2, users/2, users/2))
	})
	for i := range users {
		a.disconnect(fmt.Sprint("user-", i), ids[i])
	}
	c.everywhere(t, nodes, func(n *node) error {
		return errors.Join(n.counts(cluster.Counts{Users: users / 2, Sessions: users, Nodes: 2}),
			perNode(n, users/2, users/2, users/2, users/2))
	})
}
