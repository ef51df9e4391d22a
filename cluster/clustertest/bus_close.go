package clustertest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"carillon/cluster"
)

// Close sends what was published, and says what became of it before it returns.
func checkCloseFlushes(t testing.TB, c *buses) {
	members := c.opened(t, "a", "b")
	a, b := members[0], members[1]
	var said results
	var want []*cluster.Operation
	for i := range 500 {
		op := push(fmt.Sprint(i))
		a.Send("b", op, said.of(op.Payload))
		want = append(want, op)
	}
	a.close(t)
	if err := said.are(nil); err != nil {
		t.Error(err)
	}
	Eventually(t, c.Patience, func() error { return are(b.taken(), "a", want) })
	other := c.opened(t, "c")[0]
	c.settle(t, b, other)
	if err := are(b.taken(), "a", want); err != nil {
		t.Error(err)
	}
}

// A handler that waits for its event loops does not keep Close from returning, and
// is not called again.
func checkCloseStops(t testing.TB, c *buses) {
	members := c.opened(t, "a", "b", "c")
	a, b, other := members[0], members[1], members[2]
	entered := make(chan struct{}, 1)
	b.refuseBy(func(ctx context.Context, _ *cluster.Operation) error {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-ctx.Done()
		return ctx.Err()
	})
	for i := range 200 {
		a.Send("b", push(fmt.Sprint(i)), nil)
	}
	select {
	case <-entered:
	case <-c.ctx.Done():
		t.Fatal("the handler was not called")
	}
	b.close(t)
	if b.running.Load() {
		t.Error("the handler runs after the end of Close")
	}
	var said results
	a.Send("b", push("too late"), said.of("too late"))
	Eventually(t, c.Patience, func() error { return said.are(cluster.ErrUnroutable) })
	c.settle(t, a, other)
	if got := len(b.taken()); got != 0 {
		t.Errorf("got %d operations", got)
	}
}

func checkCloseWithoutOpen(t testing.TB, c *buses) {
	b := c.opened(t, "b")[0]
	idle, publishing := c.member(t, "idle"), c.member(t, "publishing")
	idle.close(t)
	var said results
	for i := range 10 {
		publishing.Send("b", push(fmt.Sprint(i)), said.of(fmt.Sprint(i)))
	}
	ctx, cancel := context.WithTimeout(c.ctx, awayCall)
	defer cancel()
	_ = publishing.Close(ctx) // an error may tell that nothing was sent
	publishing.closed.Store(true)
	if err := said.are(cluster.ErrClosed); err != nil {
		t.Error(err)
	}
	c.settle(t, b, c.opened(t, "c")[0])
	if got := len(b.taken()); got != 0 {
		t.Errorf("got %d operations of a bus that was never open", got)
	}
}

// Without the broker, Close gives up at the end of its context and says so of each
// operation.
func checkCloseWhileAway(t testing.TB, c *buses) {
	members := c.opened(t, "a", "b")
	a := members[0]
	c.settle(t, members...)
	c.goAway(t)
	Eventually(t, c.Patience, func() error {
		if err := a.Ready(); !errors.Is(err, cluster.ErrAway) {
			return fmt.Errorf("ready: got %v, want %v", err, cluster.ErrAway)
		}
		return nil
	})
	var said results
	for i := range 10 {
		a.Send("b", push(fmt.Sprint(i)), said.of(fmt.Sprint(i)))
	}
	ctx, cancel := context.WithTimeout(c.ctx, awayCall)
	defer cancel()
	if a.Close(ctx) == nil {
		t.Error("closed without an error, although nothing was sent")
	}
	a.closed.Store(true)
	if err := said.are(cluster.ErrClosed); err != nil {
		t.Error(err)
	}
}
