package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"
)

// places returns where a node finds a user, as text.
func (g *gateway) places(user string) (string, error) {
	l, err := g.Locate(context.Background(), []string{user})
	if err != nil {
		return "", err
	}
	return fmt.Sprint(l[0].Places), nil
}

// Locations come from memory, until the user changes: then from Redis at once, long
// before they would have been too old.
func TestCache(t *testing.T) {
	t.Parallel()
	_, o, c := single(t)
	ctx := context.Background()
	o.CacheTTL = time.Hour
	a, b := joinedNode(t, "a", 1, o), joinedNode(t, "b", 2, o)
	id := b.connect("user")
	settled(t, a, b)
	remembered := func() {
		t.Helper()
		eventually(t, func() error {
			hits := a.Stats().CacheHits
			if _, err := a.places("user"); err != nil {
				return err
			}
			if a.Stats().CacheHits == hits {
				return errors.New("not from memory")
			}
			return nil
		})
	}
	finds := func(want string) {
		t.Helper()
		eventually(t, func() error {
			got, err := a.places("user")
			if err == nil && got != want {
				err = fmt.Errorf("got %s, want %s", got, want)
			}
			return err
		})
	}
	remembered()
	second := b.connect("user")
	finds("[{b 2}]")
	remembered()
	b.disconnect("user", id)
	b.disconnect("user", second)
	finds("[]")

	// Offline users are asked for every time: nobody tells when a node of the
	// reference takes them in.
	misses := a.Stats().CacheMisses
	for range 3 {
		finds("[]")
	}
	if got := a.Stats().CacheMisses - misses; got < 3 {
		t.Errorf("%d of 3 lookups went to redis", got)
	}

	// What changes while nobody tells must not be missed.
	b.connect("user")
	finds("[{b 1}]")
	remembered()
	tracked := a.tracked.Load()
	if err := c.Do(ctx, "acl", "setuser", "default", "-client|tracking").Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.ClientKillByFilter(ctx, "TYPE", "pubsub").Result(); err != nil || n < 2 {
		t.Fatalf("%d subscribers killed, %v", n, err)
	}
	b.connect("user")
	finds("[{b 2}]")
	if err := c.Do(ctx, "acl", "setuser", "default", "+client|tracking").Err(); err != nil {
		t.Fatal(err)
	}
	remembered()
	if a.tracked.Load() == tracked {
		t.Error("the memory has outlived its subscriber")
	}
	// All keys go at once, which is told without their names.
	remembered()
	if err := c.FlushAll(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	b.connect("user")
	finds("[{b 3}]")
}

// A node that is dead is no place, even before anyone has cleaned up after it.
func TestDeadIsNoPlace(t *testing.T) {
	t.Parallel()
	_, o, c := single(t)
	ctx := context.Background()
	a := joinedNode(t, "a", 1, o)
	now := c.Time(ctx).Val().UnixMilli()
	c.ZAdd(ctx, keyLeases, z(float64(now+400), "ghost"))
	c.ZAdd(ctx, keyCleaning, z(float64(now+1e6), "ghost"))
	c.HSet(ctx, keyIncarnations, "ghost", 7)
	c.HSet(ctx, keyUser+"user", "ghost", "7:3", "never heard of", "8:1")
	c.SAdd(ctx, keyOnline, "user")
	got, err := a.places("user")
	if err != nil || got != "[{ghost 3}]" {
		t.Errorf("while it lives: got %s, %v", got, err)
	}
	eventually(t, func() error {
		if got, err := a.places("user"); err != nil || got != "[]" {
			return fmt.Errorf("got %s, %v", got, err)
		}
		return nil
	})
	if l, err := a.Locate(ctx, []string{"user"}); err != nil || l[0].Foreign {
		t.Errorf("a user of a dead node is taken for one of the reference: %+v, %v", l, err)
	}
}

// An answer that was overtaken by a change is not kept.
func TestCacheOvertaken(t *testing.T) {
	c := newCache(time.Hour, 2)
	ask := func(user string) (question *cached, hit bool) {
		c.get([]string{user}, func(int, []holding) { hit = true }, func(_ int, q *cached) { question = q })
		return question, hit
	}
	h := []holding{{"a", 1, 1}}
	q, _ := ask("user")
	c.forget("user")
	c.answer("user", q, h)
	if _, hit := ask("user"); hit {
		t.Error("kept, although it has changed meanwhile")
	}
	first, _ := ask("user")
	second, _ := ask("user")
	c.answer("user", second, h)
	c.answer("user", first, []holding{{"old", 1, 1}})
	var got []holding
	c.get([]string{"user"}, func(_ int, h []holding) { got = h }, func(int, *cached) {})
	if len(got) != 1 || got[0].node != "a" {
		t.Errorf("got %v", got)
	}
	for i := range 100 {
		q, _ := ask(fmt.Sprint(i))
		c.answer(fmt.Sprint(i), q, h)
		if len(c.m) > 2 {
			t.Fatalf("%d users, at most 2", len(c.m))
		}
	}
	q, _ = ask("nobody")
	c.answer("nobody", q, nil)
	if _, hit := ask("nobody"); hit {
		t.Error("that nobody holds a user was kept")
	}
}

// What is looked up of this node is what is true here, not what was written.
func TestLocateOwn(t *testing.T) {
	t.Parallel()
	_, o, _ := single(t)
	g := joinedNode(t, "b", 1, o)
	p := g.Presence
	g.sessions.Add("user", g.sessions.NewID())
	for _, test := range []struct {
		user string
		f    found
		want string
	}{
		{"user", found{}, "{[{b 1}] false}"},
		{"user", found{online: true}, "{[{b 1}] false}"},
		{"user", found{holdings: []holding{{"b", 5, 0}}}, "{[{b 1}] false}"},
		{"other", found{holdings: []holding{{"b", 5, 0}}, online: true}, "{[] false}"},
		{"other", found{online: true}, "{[] true}"},
		{"other", found{}, "{[] false}"},
	} {
		if got := fmt.Sprint(p.location(test.user, test.f)); got != test.want {
			t.Errorf("%s, %+v: got %s, want %s", test.user, test.f, got, test.want)
		}
	}
}

// TestLocateRegisteredAgain: a user of a node that has registered again is found where the
// lease that was seen last is that of the node's former start.
func TestLocateRegisteredAgain(t *testing.T) {
	t.Parallel()
	_, o, _ := single(t)
	o.Lease = time.Minute // so that nobody looks by the way
	a, b := joinedNode(t, "a", 1, o), joinedNode(t, "b", 2, o)
	b.connect("user")
	settled(t, a, b)
	a.Presence.lookAgain(t.Context(), time.Now())
	v := *a.Presence.view.Load()
	v.leases, v.nodes = maps.Clone(v.leases), maps.Clone(v.nodes)
	former := v.nodes["b"]
	former.Incarnation--
	v.nodes["b"], v.leases["b"] = former, v.now-1
	a.Presence.view.Store(&v)
	l, err := a.Locate(t.Context(), []string{"user"})
	if want := "[{[{b 1}] false}]"; err != nil || fmt.Sprint(l) != want {
		t.Errorf("got %v, %v, want %s", l, err, want)
	}
}

// TestLocateSessionsOfUnseen: a node is a member once a session of it is found, whether
// it was never seen or its lease had run out at the last look. For nodes of the
// reference nobody looks again.
func TestLocateSessionsOfUnseen(t *testing.T) {
	t.Parallel()
	_, o, c := single(t)
	o.Lease = time.Minute
	a, b := joinedNode(t, "a", 1, o), joinedNode(t, "b", 2, o)
	id := b.connect("user").String()
	const foreign = "22222222-0000-4000-8000-000000000000"
	referenceNode{c, "node-1"}.connect(t, "java", foreign)
	settled(t, a, b)
	// Nobody looks by the way.
	if err := a.halt(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, forget := range map[string]func(v *view){
		"never seen": func(v *view) { delete(v.leases, "b"); delete(v.nodes, "b") },
		"gone":       func(v *view) { v.leases["b"] = v.now - 1 },
	} {
		v := *a.view.Load()
		v.leases, v.nodes = maps.Clone(v.leases), maps.Clone(v.nodes)
		forget(&v)
		a.view.Store(&v)
		for range 3 {
			nodes, err := a.LocateSessions(t.Context(), []string{foreign})
			if err != nil || nodes[0] != "node-1" || a.view.Load() != &v {
				t.Fatalf("%s: got %q, %v; looked again for a node of the reference: %t", name, nodes, err, a.view.Load() != &v)
			}
		}
		nodes, err := a.LocateSessions(t.Context(), []string{foreign, id, ""})
		if err != nil || fmt.Sprint(nodes) != "[node-1 b ]" {
			t.Errorf("%s: got %q, %v", name, nodes, err)
		}
		if n := len(a.Members()); n != 2 {
			t.Errorf("%s: %d members after", name, n)
		}
	}
}
