package local_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"carillon/cluster"
	"carillon/cluster/clustertest"
	"carillon/cluster/local"
)

// joined returns a presence that is a member, and its sessions.
func joined(t *testing.T, hub *local.Hub, id string, tag uint32) (*local.Presence, *clustertest.Sessions) {
	t.Helper()
	p, sessions := hub.Presence(), clustertest.NewSessions(tag)
	if err := p.Join(t.Context(), cluster.Node{ID: id, Tag: tag}, sessions); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Leave(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p, sessions
}

// opened returns a bus that gives what it gets to the channel.
func opened(t *testing.T, hub *local.Hub, id string) (*local.Bus, <-chan string) {
	t.Helper()
	b, got := hub.Bus(), make(chan string, 100)
	err := b.Open(t.Context(), cluster.Node{ID: id}, func(_ context.Context, from string, op *cluster.Operation) error {
		got <- from + ": " + op.Payload
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return b, got
}

// A node that was taken over knows it, is seen by nobody, and does not come back.
func TestTakeOver(t *testing.T) {
	hub := local.NewHub()
	a, sessions := joined(t, hub, "a", 1)
	b, _ := joined(t, hub, "b", 2)
	sessions.Add("user", sessions.NewID())
	hub.TakeOver("nobody")
	hub.TakeOver("a")
	select {
	case <-a.Lost():
	default:
		t.Error("lost is not closed")
	}
	if err := a.Ready(); !errors.Is(err, cluster.ErrNodeTaken) {
		t.Errorf("got %v, want %v", err, cluster.ErrNodeTaken)
	}
	if err := a.Join(t.Context(), cluster.Node{ID: "a"}, sessions); !errors.Is(err, cluster.ErrNodeTaken) {
		t.Errorf("join: got %v, want %v", err, cluster.ErrNodeTaken)
	}
	if got := b.Members(); len(got) != 1 {
		t.Errorf("got members %v", got)
	}
	if got, err := b.Locate(t.Context(), []string{"user"}); err != nil || len(got[0].Places) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	successor, _ := joined(t, hub, "a", 3)
	if got := successor.Members(); got[1].Incarnation != 3 {
		t.Errorf("got incarnation %d, want 3: the one that took over had the second", got[1].Incarnation)
	}
}

// What an outbox holds is what others have not handled, and a slow one does not
// keep a fast one's from leaving.
func TestOutbox(t *testing.T) {
	hub := local.NewHub()
	hub.SetOutboxLimit(1000)
	a, _ := opened(t, hub, "a")
	_, atFast := opened(t, hub, "fast")
	slow, gate, entered := hub.Bus(), make(chan struct{}), make(chan struct{}, 10)
	err := slow.Open(t.Context(), cluster.Node{ID: "slow"}, func(context.Context, string, *cluster.Operation) error {
		entered <- struct{}{}
		<-gate
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		a.SendAll(&cluster.Operation{Kind: cluster.PushAll, Payload: fmt.Sprint(i)}, nil)
		if got, want := <-atFast, fmt.Sprint("a: ", i); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	<-entered
	if err := a.Admit(); !errors.Is(err, cluster.ErrOutboxFull) {
		t.Errorf("got %v, want %v", err, cluster.ErrOutboxFull)
	}
	if s := a.Stats(); s.OutboxMessages != 4 || s.OutboxBytes < 1000 || s.OutboxMaxBytes != 1000 || s.Refused != 1 {
		t.Errorf("got %+v", s)
	}
	close(gate)
	clustertest.Eventually(t, 0, func() error {
		if s := a.Stats(); s.OutboxMessages != 0 || s.OutboxBytes != 0 || s.OutboxAge != 0 {
			return fmt.Errorf("got %+v", s)
		}
		return a.Admit()
	})

	// Who goes away without handling it does not hold it either.
	hub.SetBusAway(true)
	a.SendAll(&cluster.Operation{Kind: cluster.PushAll, Payload: "x"}, nil)
	hub.SetBusAway(false)
	if err := slow.Close(t.Context()); err != nil {
		t.Error(err)
	}
	clustertest.Eventually(t, 0, func() error {
		if s := a.Stats(); s.OutboxMessages != 0 {
			return fmt.Errorf("got %+v", s)
		}
		return nil
	})
}

// What is published after the end is said to be so, but not by the caller's goroutine.
func TestPublishAfterClose(t *testing.T) {
	b := local.NewHub().Bus()
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
	done := make(chan error) // done blocks until it is read
	b.Broadcast(&cluster.Operation{Kind: cluster.PushAll}, func(err error) { done <- err })
	if err := <-done; !errors.Is(err, cluster.ErrClosed) {
		t.Errorf("got %v, want %v", err, cluster.ErrClosed)
	}
}

// While the presence is away, a node that leaves is gone nevertheless.
func TestLeaveWhileAway(t *testing.T) {
	hub := local.NewHub()
	a, b := hub.Presence(), hub.Presence()
	for i, p := range []*local.Presence{a, b} {
		if err := p.Join(t.Context(), cluster.Node{ID: fmt.Sprint(i)}, clustertest.NewSessions(uint32(i))); err != nil {
			t.Fatal(err)
		}
	}
	hub.SetPresenceAway(true)
	if err := a.Leave(t.Context()); !errors.Is(err, cluster.ErrAway) {
		t.Errorf("got %v, want %v", err, cluster.ErrAway)
	}
	if got := b.Members(); len(got) != 1 {
		t.Errorf("got members %v", got)
	}
	hub.SetPresenceAway(false)
	if err := errors.Join(b.Ready(), b.Leave(t.Context())); err != nil {
		t.Error(err)
	}
}

// While the bus is away, what is already in the queue of a member waits there too.
func TestAwayHoldsWhatHasArrived(t *testing.T) {
	hub := local.NewHub()
	a, _ := opened(t, hub, "a")
	b, gate, entered := hub.Bus(), make(chan struct{}), make(chan struct{}, 10)
	err := b.Open(t.Context(), cluster.Node{ID: "b"}, func(context.Context, string, *cluster.Operation) error {
		entered <- struct{}{}
		<-gate
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	confirmed := make(chan error, 3)
	for range 3 {
		a.Send("b", &cluster.Operation{Kind: cluster.PushAll}, func(err error) { confirmed <- err })
		if err := <-confirmed; err != nil {
			t.Fatal(err)
		}
	}
	wait := func(messages int) {
		t.Helper()
		clustertest.Eventually(t, 0, func() error {
			if got := a.Stats().OutboxMessages; got != messages {
				return fmt.Errorf("%d operations wait, want %d", got, messages)
			}
			return nil
		})
	}
	<-entered
	wait(3)
	hub.SetBusAway(true)
	close(gate)
	wait(2) // the one under way was handled
	hub.SetBusAway(false)
	wait(0)
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
