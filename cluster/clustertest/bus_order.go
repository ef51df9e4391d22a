package clustertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"carillon/cluster"
)

// numbered returns the i-th of operations of all kinds, which tells its number.
func numbered(i int) *cluster.Operation {
	n := fmt.Sprint("number ", i)
	switch i % 6 {
	case 0:
		return push(n)
	case 1:
		return &cluster.Operation{Kind: cluster.PushUsers, Payload: n, Users: []string{"u"}}
	case 2:
		return &cluster.Operation{Kind: cluster.PushSessions, Payload: n, Sessions: []string{"s"}}
	case 3:
		return &cluster.Operation{Kind: cluster.KickUsers, Reason: n, Users: []string{"u"}}
	case 4:
		return &cluster.Operation{Kind: cluster.KickSessions, Reason: n, Sessions: []string{"s"}}
	}
	return &cluster.Operation{Kind: cluster.KickAll, Reason: n, Code: 1012}
}

// What one goroutine publishes arrives in its order, over all kinds and routes.
func checkOrder(t testing.TB, c *buses) {
	members := c.opened(t, "a", "b", "c")
	a := members[0]
	want := make(map[string][]*cluster.Operation)
	for i := range 600 {
		op := numbered(i)
		switch route := (i / 6) % 4; {
		case route == 0 && broadcasts(op):
			a.Broadcast(op, nil)
			want["b"], want["c"] = append(want["b"], op), append(want["c"], op)
		case route <= 1:
			a.SendAll(op, nil)
			want["b"], want["c"] = append(want["b"], op), append(want["c"], op)
		case route == 2:
			a.Send("b", op, nil)
			want["b"] = append(want["b"], op)
		default:
			a.Send("c", op, nil)
			want["c"] = append(want["c"], op)
		}
	}
	c.settle(t, members...)
	for _, m := range members[1:] {
		if err := are(m.taken(), "a", want[m.self.ID]); err != nil {
			t.Errorf("%s: %v", m.self.ID, err)
		}
	}
}

// Many goroutines of several nodes publish at once: each node gets what it should,
// once, each goroutine's in its order.
func checkManyPublishers(t testing.TB, c *buses) {
	const goroutines, each = 4, 150
	members := c.opened(t, "a", "b", "c")
	var said results
	var publishing sync.WaitGroup
	for k, from := range members {
		next := members[(k+1)%len(members)].self.ID
		for g := range goroutines {
			publishing.Go(func() {
				for i := range each {
					op := push(fmt.Sprintf("%s/%d/%d", from.self.ID, g, i))
					from.publish(i, next, op, said.of(op.Payload))
				}
			})
		}
	}
	publishing.Wait()
	Eventually(t, c.Patience, func() error { return said.are(nil) })
	c.settle(t, members...)
	for k, m := range members {
		last := make(map[string]int) // per goroutine, what came last, and one
		count := 0
		for _, r := range m.taken() {
			var g, i int
			from, rest, _ := strings.Cut(r.op.Payload, "/")
			if _, err := fmt.Sscanf(rest, "%d/%d", &g, &i); err != nil || from != r.from {
				t.Fatalf("%s: got %s from %q", m.self.ID, brief(&r.op), r.from)
			}
			stream := fmt.Sprint(from, "/", g)
			if i < last[stream] {
				t.Errorf("%s: got %q after %d", m.self.ID, r.op.Payload, last[stream]-1)
			}
			last[stream] = i + 1
			count++
		}
		// Of two others everything for all, and what the one before has sent to it.
		if want := goroutines * (2*each/3*2 + each/3); count != want {
			t.Errorf("%s, after %s: got %d operations, want %d", m.self.ID, members[(k+2)%3].self.ID, count, want)
		}
	}
}

// Who waits for its event loops holds back nobody else, shows it, and loses nothing.
func checkBlockedHandler(t testing.TB, c *buses) {
	members := c.opened(t, "a", "b", "c")
	a, b, other := members[0], members[1], members[2]
	gate := make(chan struct{})
	var open sync.Once
	t.Cleanup(func() { open.Do(func() { close(gate) }) })
	b.refuseBy(func(ctx context.Context, _ *cluster.Operation) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	var want []*cluster.Operation
	for i := range 1000 {
		op := push(fmt.Sprint(i))
		a.SendAll(op, nil)
		want = append(want, op)
	}
	c.settle(t, a, other)
	if err := are(other.taken(), "a", want); err != nil {
		t.Error(err)
	}
	b.Send("c", push("from who is blocked"), nil)
	Eventually(t, c.Patience, func() error {
		if !other.hasTaken("from who is blocked") {
			return errors.New("a node whose handler is blocked does not publish")
		}
		if s := b.Stats(); !s.Blocked || s.BlockedFor <= 0 {
			return fmt.Errorf("a blocked handler does not show: %+v", s)
		}
		return nil
	})
	if got := len(b.taken()); got != 0 {
		t.Errorf("got %d operations through a handler that is blocked", got)
	}
	open.Do(func() { close(gate) })
	c.settle(t, a, b)
	if err := are(b.taken(), "a", want); err != nil {
		t.Error(err)
	}
	Eventually(t, c.Patience, func() error {
		if s := b.Stats(); s.Blocked || s.BlockedFor <= 0 {
			return fmt.Errorf("the handler goes on: %+v", s)
		}
		return nil
	})
}

// What a handler has not handed over comes again, before what was published after it.
func checkHandlerError(t testing.TB, c *buses) {
	members := c.opened(t, "a", "b")
	a, b := members[0], members[1]
	var mu sync.Mutex
	refused := make(map[string]int)
	b.refuseBy(func(_ context.Context, op *cluster.Operation) error {
		mu.Lock()
		defer mu.Unlock()
		n := refused[op.Payload]
		if refuse := op.Payload == "3" && n < 3 || op.Payload == "17" && n < 1; refuse {
			refused[op.Payload]++
			op.Payload = "spoiled by the handler"
			return errors.New("event loops are closing")
		}
		return nil
	})
	var want []*cluster.Operation
	for i := range 50 {
		op := push(fmt.Sprint(i))
		a.Send("b", op, nil)
		want = append(want, op)
	}
	c.settle(t, a, b)
	if err := are(b.taken(), "a", want); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if refused["3"] != 3 || refused["17"] != 1 {
		t.Errorf("got refusals %v, want 3 and 1", refused)
	}
}
