package clustertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"carillon/cluster"
)

// Every kind arrives with every field, whichever way it is published.
func checkEveryField(t testing.TB, c *buses) {
	members := c.opened(t, "a", "b")
	a, b := members[0], members[1]
	var want []*cluster.Operation
	for _, op := range operations() {
		if broadcasts(op) {
			a.Broadcast(op, nil)
			want = append(want, op)
		}
		a.SendAll(op, nil)
		a.Send("b", op, nil)
		want = append(want, op, op)
	}
	c.settle(t, a, b)
	if err := are(b.taken(), "a", want); err != nil {
		t.Error(err)
	}
}

func checkLargePayload(t testing.TB, c *buses) {
	members := c.opened(t, "a", "b")
	a, b := members[0], members[1]
	large := push(strings.Repeat("1 MB of text with \x00 and 😀. ", 1_000_000/28))
	users := make([]string, 10_000)
	for i := range users {
		users[i] = fmt.Sprint("user-", i)
	}
	many := &cluster.Operation{Kind: cluster.PushUsers, Payload: large.Payload, Users: users}
	var said results
	a.Broadcast(large, said.of("large broadcast"))
	a.Broadcast(many, said.of("broadcast to many"))
	a.SendAll(large, said.of("large for all"))
	a.Send("b", many, said.of("many for one"))
	c.settle(t, a, b)
	if err := are(b.taken(), "a", []*cluster.Operation{large, many, large, many}); err != nil {
		t.Error(err)
	}
	Eventually(t, c.Patience, func() error { return said.are(nil) })
}

// Each operation reaches the nodes that it is for and no other, never its own.
func checkRightNodes(t testing.TB, c *buses) {
	ids := []string{"a", "b", "c", "node.a", "node:{a}", "A", "*", "#"}
	members := c.opened(t, ids...)
	want := make(map[string]map[string]bool) // per receiver, the payloads
	for _, id := range ids {
		want[id] = make(map[string]bool)
	}
	var said results
	for _, from := range members {
		for _, to := range members {
			op := push(fmt.Sprintf("from %s to %s", from.self.ID, to.self.ID))
			from.Send(to.self.ID, op, said.of(op.Payload))
			if from != to {
				want[to.self.ID][op.Payload] = true
			}
		}
		toAll, broadcast := push("from "+from.self.ID+" to all"), push("from "+from.self.ID+" to everyone")
		from.SendAll(toAll, said.of(toAll.Payload))
		from.Broadcast(broadcast, said.of(broadcast.Payload))
		for _, to := range members {
			if from != to {
				want[to.self.ID][toAll.Payload] = true
				want[to.self.ID][broadcast.Payload] = true
			}
		}
	}
	Eventually(t, c.Patience, func() error { return said.are(nil) })
	c.settle(t, members...)
	for _, m := range members {
		got := make(map[string]bool)
		for _, r := range m.taken() {
			if got[r.op.Payload] {
				t.Errorf("%s got %q twice", m.self.ID, r.op.Payload)
			}
			got[r.op.Payload] = true
			if !want[m.self.ID][r.op.Payload] {
				t.Errorf("%s got %q", m.self.ID, r.op.Payload)
			}
			if !strings.HasPrefix(r.op.Payload, "from "+r.from+" to ") {
				t.Errorf("%s got %q from %q", m.self.ID, r.op.Payload, r.from)
			}
		}
		for payload := range want[m.self.ID] {
			if !got[payload] {
				t.Errorf("%s has not got %q", m.self.ID, payload)
			}
		}
	}
}

// The publisher may change an operation when the call has returned, and a handler
// what it got.
func checkNothingShared(t testing.TB, c *buses) {
	members := c.opened(t, "a", "b", "c")
	a, b, other := members[0], members[1], members[2]
	spoil := func(op *cluster.Operation) {
		for i := range op.Users {
			op.Users[i] = "changed"
		}
		for i := range op.Sessions {
			op.Sessions[i] = "changed"
		}
		op.Payload, op.Reason, op.Code = "changed", "changed", 4999
	}
	b.refuseBy(func(_ context.Context, op *cluster.Operation) error {
		if strings.HasPrefix(op.Payload, mark) {
			return nil
		}
		spoil(op)
		return nil
	})
	var want []*cluster.Operation
	for i := range 100 {
		fresh := func() *cluster.Operation {
			return &cluster.Operation{Kind: cluster.PushUsers, Payload: fmt.Sprint(i), Users: []string{fmt.Sprint("user-", i), "x"}}
		}
		for _, publish := range []func(*cluster.Operation, func(error)){a.Broadcast, a.SendAll} {
			op := fresh()
			publish(op, nil)
			spoil(op)
			want = append(want, fresh())
		}
		op := fresh()
		op.Kind, op.Sessions = cluster.KickSessions, []string{fmt.Sprint("session-", i)}
		op.Users, op.Payload = nil, ""
		sent := *op
		sent.Sessions = []string{fmt.Sprint("session-", i)}
		a.Send("c", op, nil)
		spoil(op)
		want = append(want, &sent)
	}
	c.settle(t, a, b, other)
	if err := are(other.taken(), "a", want); err != nil {
		t.Error(err)
	}
}

func checkDone(t testing.TB, c *buses) {
	members := c.opened(t, "a", "b")
	a, b := members[0], members[1]
	var said results
	for i := range 300 {
		op := push(fmt.Sprint(i))
		a.publish(i, "b", op, said.of(op.Payload))
	}
	Eventually(t, c.Patience, func() error { return said.are(nil) })
	c.settle(t, a, b)
	if got := len(b.taken()); got != 300 {
		t.Errorf("got %d operations, want 300", got)
	}
	a.close(t)
	if err := said.are(nil); err != nil {
		t.Errorf("after Close: %v", err)
	}
}

func checkUnroutable(t testing.TB, c *buses) {
	members := c.opened(t, "a", "b", "c")
	a, b, gone := members[0], members[1], members[2]
	gone.close(t)
	var bad, good results
	var want []*cluster.Operation
	for i := range 20 {
		op := push(fmt.Sprint(i))
		a.Send("nobody", op, bad.of("nobody "+op.Payload))
		a.Send("b", op, good.of(op.Payload))
		a.Send("c", op, bad.of("gone "+op.Payload))
		a.Send("nobody", op, nil)
		want = append(want, op)
	}
	Eventually(t, c.Patience, func() error { return errors.Join(bad.are(cluster.ErrUnroutable), good.are(nil)) })
	c.settle(t, a, b)
	if err := are(b.taken(), "a", want); err != nil {
		t.Error(err)
	}
	if err := errors.Join(bad.are(cluster.ErrUnroutable), good.are(nil)); err != nil {
		t.Error(err)
	}
	Eventually(t, c.Patience, func() error {
		if s := a.Stats(); s.Unroutable != 60 || s.OutboxMessages != 0 {
			return fmt.Errorf("60 operations for nobody: got %+v", s)
		}
		return nil
	})
}

func checkForget(t testing.TB, c *buses) {
	members := c.opened(t, "a", "b", "c")
	a, b, gone := members[0], members[1], members[2]
	gone.close(t)
	for _, id := range []string{"c", "c", "nobody"} {
		if err := a.Forget(c.ctx, id); err != nil {
			t.Errorf("forget %q: %v", id, err)
		}
	}
	var said results
	a.Send("c", push("x"), said.of("x"))
	Eventually(t, c.Patience, func() error { return said.are(cluster.ErrUnroutable) })
	c.settle(t, a, b)
}
