package local_test

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"carillon/cluster"
	"carillon/cluster/clustertest"
	"carillon/cluster/local"
)

func never(context.Context, string, *cluster.Operation) error {
	panic("BUG: a lone bus has delivered something")
}

// A lone gateway has a cluster of one that costs nothing.
func TestLone(t *testing.T) {
	p, b := local.New()
	if p.Shared() || b.Shared() {
		t.Error("shared")
	}
	sessions := clustertest.NewSessions(1)
	self := cluster.Node{ID: "a", Tag: 1}
	if err := p.Join(t.Context(), self, sessions); err != nil {
		t.Fatal(err)
	}
	if err := b.Open(t.Context(), self, never); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Ready(), b.Ready(), b.Admit()); err != nil {
		t.Error(err)
	}
	id := sessions.NewID()
	sessions.Add("user", id)
	op := &cluster.Operation{Kind: cluster.PushAll, Payload: "x"}
	before := runtime.NumGoroutine()
	allocs := testing.AllocsPerRun(100, func() {
		p.Connect("user", id)
		p.Disconnect("user", id)
		b.Broadcast(op, nil)
		b.SendAll(op, nil)
	})
	if allocs != 0 {
		t.Errorf("got %v allocations, want 0", allocs)
	}
	if got := runtime.NumGoroutine(); got > before {
		t.Errorf("got %d goroutines more", got-before)
	}
	if got, err := p.Count(t.Context()); err != nil || got != (cluster.Counts{Users: 1, Sessions: 1, Nodes: 1}) {
		t.Errorf("got %+v, %v", got, err)
	}
	done := make(chan error, 2)
	b.Broadcast(op, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Errorf("broadcast: %v", err)
	}
	b.Send("nobody", op, func(err error) { done <- err })
	if err := <-done; !errors.Is(err, cluster.ErrUnroutable) {
		t.Errorf("got %v, want %v", err, cluster.ErrUnroutable)
	}
	if err := errors.Join(b.Close(t.Context()), p.Leave(t.Context())); err != nil {
		t.Error(err)
	}
}
