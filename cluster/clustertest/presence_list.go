package clustertest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"carillon/cluster"
)

// about is how much longer than asked a page may be.
const about = 10

// listUsers lists every page.
func (n *node) listUsers(limit int) (map[string]bool, error) {
	met := make(map[string]bool)
	err := pages(limit, func(cursor string) (int, string, error) {
		page, next, err := n.ListUsers(n.c.ctx, cursor, limit)
		for _, user := range page {
			met[user] = true
		}
		return len(page), next, err
	})
	return met, err
}

// listSessions lists every page, by id.
func (n *node) listSessions(of string, limit int) (map[string]cluster.Session, error) {
	met := make(map[string]cluster.Session)
	err := pages(limit, func(cursor string) (int, string, error) {
		page, next, err := n.ListSessions(n.c.ctx, of, cursor, limit)
		for _, s := range page {
			met[s.ID] = s
		}
		return len(page), next, err
	})
	return met, err
}

// pages calls list until there is no next page.
func pages(limit int, list func(cursor string) (length int, next string, err error)) error {
	const enough = 5_000
	cursor := ""
	for range enough {
		length, next, err := list(cursor)
		if err != nil {
			return fmt.Errorf("cursor %q: %w", cursor, err)
		}
		if length > about*limit {
			return fmt.Errorf("a page of %d, asked for %d", length, limit)
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
	return fmt.Errorf("a listing of more than %d pages", enough)
}

const (
	stayers  = 5_000
	pageSize = 100
)

// crowd joins two nodes with 5,000 users that stay, every fifth of them on both
// nodes, and lets others come and go until the check calls stop. It returns the
// sessions that stay.
func crowd(t testing.TB, c *presences) (nodes []*node, stay map[string]cluster.Session, stop func()) {
	nodes = []*node{c.node(t, "a"), c.node(t, "b")}
	stay = make(map[string]cluster.Session)
	for i := range stayers {
		user := fmt.Sprint("stays-", i)
		for k, n := range nodes {
			if i%2 == k || i%5 == 0 {
				id := n.hold(user).String()
				stay[id] = cluster.Session{ID: id, User: user, Node: n.self.ID}
			}
		}
	}
	for _, n := range nodes {
		n.join(t)
	}
	c.everywhere(t, nodes, func(n *node) error {
		return n.counts(cluster.Counts{Users: stayers, Sessions: len(stay), Nodes: 2})
	})
	end := make(chan struct{})
	var loops sync.WaitGroup
	for i, n := range nodes {
		loops.Go(func() {
			const wave = 50
			for {
				var ids [wave]cluster.SessionID
				for k := range ids {
					ids[k] = n.connect(fmt.Sprintf("passes-%d-%d", i, k))
				}
				last := fmt.Sprintf("passes-%d-%d", i, wave-1)
				if err := poll(c.Patience, func() error { return n.finds(last, at{n.self.ID: 1}) }); err != nil {
					t.Error(err)
					return
				}
				for k, id := range ids {
					n.disconnect(fmt.Sprintf("passes-%d-%d", i, k), id)
				}
				select {
				case <-end:
					return
				default:
				}
			}
		})
	}
	var once sync.Once
	stop = func() {
		once.Do(func() { close(end) })
		loops.Wait()
	}
	t.Cleanup(stop)
	return nodes, stay, stop
}

func checkListUsers(t testing.TB, c *presences) {
	nodes, _, stop := crowd(t, c)
	for _, n := range nodes {
		met, err := n.listUsers(pageSize)
		if err != nil {
			t.Fatal(err)
		}
		missed := 0
		for i := range stayers {
			if !met[fmt.Sprint("stays-", i)] {
				missed++
			}
		}
		if missed > 0 {
			t.Errorf("%s has not met %d of %d users that were online all the time", n.self.ID, missed, stayers)
		}
		for user := range met {
			if !strings.HasPrefix(user, "stays-") && !strings.HasPrefix(user, "passes-") {
				t.Errorf("%s has met %q, which was never online", n.self.ID, user)
			}
		}
	}
	stop()
	c.everywhere(t, nodes, func(n *node) error {
		met, err := n.listUsers(pageSize)
		if err == nil && len(met) != stayers {
			err = fmt.Errorf("got %d users, want %d", len(met), stayers)
		}
		return err
	})
}

func checkListSessions(t testing.TB, c *presences) {
	nodes, stay, stop := crowd(t, c)
	for _, of := range []string{"", "a", "b"} {
		met, err := nodes[0].listSessions(of, pageSize)
		if err != nil {
			t.Fatal(err)
		}
		missed := 0
		for id, want := range stay {
			if of != "" && of != want.Node {
				continue
			}
			switch got, ok := met[id]; {
			case !ok:
				missed++
			case got != want:
				t.Fatalf("got %+v, want %+v", got, want)
			}
		}
		if missed > 0 {
			t.Errorf("node %q: not met %d sessions that were there all the time", of, missed)
		}
		for _, s := range met {
			if of != "" && s.Node != of {
				t.Fatalf("node %q: got %+v", of, s)
			}
			if _, stays := stay[s.ID]; !stays && !strings.HasPrefix(s.User, "passes-") {
				t.Fatalf("node %q: got %+v, which was never there", of, s)
			}
		}
	}
	stop()
	c.everywhere(t, nodes, func(n *node) error {
		met, err := n.listSessions("", pageSize)
		if err == nil && len(met) != len(stay) {
			err = fmt.Errorf("got %d sessions, want %d", len(met), len(stay))
		}
		return err
	})
}

func checkListEmpty(t testing.TB, c *presences) {
	nodes := c.joined(t, "a", "b")
	nodes[1].disconnect("user", nodes[1].connect("user"))
	c.everywhere(t, nodes, func(n *node) error {
		if users, err := n.listUsers(10); err != nil || len(users) != 0 {
			return errors.Join(err, fmt.Errorf("got users %v", users))
		}
		for _, of := range []string{"", "a", "b", "unknown"} {
			if sessions, err := n.listSessions(of, 10); err != nil || len(sessions) != 0 {
				return errors.Join(err, fmt.Errorf("node %q: got sessions %v", of, sessions))
			}
		}
		return nil
	})
}

func checkBadCursor(t testing.TB, c *presences) {
	a := c.joined(t, "a")[0]
	for i := range 10 {
		a.connect(fmt.Sprint("user-", i))
	}
	for _, cursor := range []string{"nonsense", " ", "-1", "1e9", "\x00", "😀", "ffffffffffffffffffffffff", "*", strings.Repeat("9", 10_000)} {
		if _, _, err := a.ListUsers(c.ctx, cursor, 10); !errors.Is(err, cluster.ErrBadCursor) {
			t.Errorf("users, cursor %.40q: got %v, want %v", cursor, err, cluster.ErrBadCursor)
		}
		for _, of := range []string{"", "a"} {
			if _, _, err := a.ListSessions(c.ctx, of, cursor, 10); !errors.Is(err, cluster.ErrBadCursor) {
				t.Errorf("sessions of node %q, cursor %.40q: got %v, want %v", of, cursor, err, cluster.ErrBadCursor)
			}
		}
	}
}
