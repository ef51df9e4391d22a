package clustertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"carillon/cluster"
)

func checkConnect(t testing.TB, c *presences) {
	nodes := c.joined(t, "a", "b", "c")
	for i, n := range nodes {
		user := fmt.Sprint("user-", i)
		id := n.connect(user)
		c.everywhere(t, nodes, func(seen *node) error { return seen.finds(user, at{n.self.ID: 1}) })
		n.disconnect(user, id)
		c.everywhere(t, nodes, func(seen *node) error { return seen.finds(user, at{}) })
	}
	c.everywhere(t, nodes, func(n *node) error { return n.counts(cluster.Counts{Nodes: 3}) })
}

func checkSeveralSessions(t testing.TB, c *presences) {
	nodes := c.joined(t, "a", "b")
	a, b := nodes[0], nodes[1]
	is := func(want at) {
		t.Helper()
		c.everywhere(t, nodes, func(n *node) error { return n.finds("user", want) })
	}
	a1, a2, b1 := a.connect("user"), a.connect("user"), b.connect("user")
	is(at{"a": 2, "b": 1})
	a.disconnect("user", a1)
	is(at{"a": 1, "b": 1})
	a.disconnect("user", a2)
	is(at{"b": 1})
	a3 := a.connect("user")
	b.disconnect("user", b1)
	is(at{"a": 1})
	a.disconnect("user", a3)
	is(at{})
}

// oddUsers are ids that a key, a pattern, a script or a listing could trip over.
// No two of them are the same user.
var oddUsers = []string{
	"a", "A", " a", "a ", "{a}", "{a", "a}", "{}", "a:b", ":", "::", "a b", "a\tb", "a\nb", "a\r\nb", "a\x00b", "\x00", "a,b", "a|b",
	"*", "?", "[a]", "a*", `\`, `"a"`, "'a'", "%s%d", "a/b", "../a", "-1", "0", "1", "01", "1.0", "1e3", "nil", "null", "true", "$a", "@a", "#a",
	"用户", "héllo", "he\u0301llo", "😀", "\u2028", "\u202e", "\ufeffa", "ws:online:users", "node:a", strings.Repeat("x", 200), strings.Repeat("é", 100),
}

func checkOddUsers(t testing.TB, c *presences) {
	nodes := c.joined(t, "a", "b")
	a, b := nodes[0], nodes[1]
	ids := make(map[string][]cluster.SessionID)
	total := 0
	for i, user := range oddUsers {
		for range i%3 + 1 {
			ids[user] = append(ids[user], a.connect(user))
			total++
		}
	}
	c.everywhere(t, nodes, func(n *node) error {
		locations, err := n.Locate(c.ctx, oddUsers)
		if err != nil {
			return err
		}
		for i, user := range oddUsers {
			if err := isAt(user, locations[i], at{"a": i%3 + 1}); err != nil {
				return err
			}
		}
		// What is listed may be written after what is located.
		return n.counts(cluster.Counts{Users: len(oddUsers), Sessions: total, Nodes: 2})
	})
	listed, err := b.listUsers(10)
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := b.listSessions("", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range oddUsers {
		if !listed[user] {
			t.Errorf("user %q is not listed", user)
		}
		for _, id := range ids[user] {
			want := cluster.Session{ID: id.String(), User: user, Node: "a"}
			if got := sessions[want.ID]; got != want {
				t.Errorf("got session %q, want %q", got, want)
			}
			a.disconnect(user, id)
		}
	}
	if len(listed) != len(oddUsers) {
		t.Errorf("got %d users, want %d: %v", len(listed), len(oddUsers), listed)
	}
	c.everywhere(t, nodes, func(n *node) error { return n.counts(cluster.Counts{Nodes: 2}) })
}

// Many loops of several nodes connect and disconnect the same few users.
func checkHammer(t testing.TB, c *presences) {
	nodes := c.joined(t, "a", "b", "c")
	users := []string{"hot", "hot 2", "{hot} 3"}
	type session struct {
		n    *node
		user string
		id   cluster.SessionID
	}
	var mu sync.Mutex
	var kept []session
	var loops sync.WaitGroup
	for i := range 12 {
		loops.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			n := nodes[i%len(nodes)]
			var mine []session
			for range 200 {
				if len(mine) > 0 && random.IntN(2) == 0 {
					at := random.IntN(len(mine))
					s := mine[at]
					mine = append(mine[:at], mine[at+1:]...)
					n.disconnect(s.user, s.id)
					continue
				}
				user := users[random.IntN(len(users))]
				mine = append(mine, session{n, user, n.connect(user)})
			}
			mu.Lock()
			defer mu.Unlock()
			kept = append(kept, mine...)
		})
	}
	loops.Wait()
	c.everywhere(t, nodes, func(n *node) error {
		for _, user := range users {
			want := make(at)
			for _, o := range nodes {
				if k := o.sessions.CountOf(user); k > 0 {
					want[o.self.ID] = k
				}
			}
			if err := n.finds(user, want); err != nil {
				return err
			}
		}
		return n.counts(cluster.Counts{Users: len(users), Sessions: len(kept), Nodes: 3})
	})
	for _, s := range kept {
		s.n.disconnect(s.user, s.id)
	}
	c.everywhere(t, nodes, func(n *node) error {
		for _, user := range users {
			if err := n.finds(user, at{}); err != nil {
				return err
			}
		}
		return n.counts(cluster.Counts{Nodes: 3})
	})
}

// A user goes from one node to the other and back, each end told by another node,
// in no order.
func checkRace(t testing.TB, c *presences) {
	nodes := c.joined(t, "a", "b")
	const users = 20
	var loops sync.WaitGroup
	for i := range users {
		user := fmt.Sprint("user-", i)
		for k, n := range nodes {
			loops.Go(func() {
				for range 30 {
					n.disconnect(user, n.connect(user))
				}
				if i%len(nodes) == k {
					n.connect(user)
				}
			})
		}
	}
	loops.Wait()
	c.everywhere(t, nodes, func(n *node) error {
		var errs []error
		for i := range users {
			errs = append(errs, n.finds(fmt.Sprint("user-", i), at{nodes[i%len(nodes)].self.ID: 1}))
		}
		return errors.Join(append(errs, n.counts(cluster.Counts{Users: users, Sessions: users, Nodes: 2}))...)
	})
}
