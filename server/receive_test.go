package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"carillon/cluster"
	"carillon/cluster/local"
	"carillon/server/config"
)

// TestConsumerWaitsForLoops: what comes from other nodes while a loop is full is
// neither refused nor lost, and arrives once and in order when the loop goes on.
func TestConsumerWaitsForLoops(t *testing.T) {
	hub := local.NewHub()
	block, blocked := make(chan struct{}), make(chan struct{})
	b := startWith(t, func(cfg *config.Config) {
		cfg.Server.NodeID = "b"
		cfg.Server.EventLoops = 1
		cfg.WebSocket.MaxQueuedPushes = 16
	}, func(o *Options) { o.Presence, o.Bus = hub.Presence(), hub.Bus() }, blockingHandler(blocked, block))
	a := startNode(t, hub, "a", nil)
	for _, r := range []*running{a, b} {
		waitFor(t, "the cluster", func() bool { return r.Ready() == nil && len(r.link.presence.Members()) == 2 })
	}
	ann := b.connect(t, "ann")
	write(t, ann, `{"type":"BIZ","code":"BLOCK"}`)
	<-blocked
	const n = 100
	for i := range n {
		var err error
		if i%2 == 0 {
			_, err = a.PushUser("ann", []byte(fmt.Sprint(i)))
		} else {
			err = a.Broadcast([]byte(fmt.Sprint(i)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "the consumer to wait", func() bool { now, _ := b.link.feed.Waiting(); return now })
	close(block)
	for i := range n {
		read(t, ann, fmt.Sprint(i))
	}
	heartbeat(t, ann)
	if now, total := b.link.feed.Waiting(); now || total <= 0 {
		t.Errorf("waiting %v, in all %v", now, total)
	}
	if b.stats.remoteDropped.Load() != 0 {
		t.Error("something was dropped")
	}
}

// TestConsumerGivesUpWithItsContext, so that the operation comes again elsewhere.
func TestConsumerGivesUpWithItsContext(t *testing.T) {
	block, blocked := make(chan struct{}), make(chan struct{})
	r := start(t, func(cfg *config.Config) {
		cfg.Server.EventLoops = 1
		cfg.WebSocket.MaxQueuedPushes = 16
	}, blockingHandler(blocked, block))
	defer close(block)
	write(t, r.connect(t, "ann"), `{"type":"BIZ","code":"BLOCK"}`)
	<-blocked
	for range 16 {
		if err := r.Broadcast([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for _, op := range []cluster.Operation{
		{Kind: cluster.PushAll, Payload: "x"}, {Kind: cluster.PushUsers, Users: []string{"ann"}, Payload: "x"}, {Kind: cluster.KickUsers, Users: []string{"ann"}},
	} {
		if err := r.link.handle(ctx, "other", &op); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("kind %d: got %v", op.Kind, err)
		}
	}
}

// TestOperationsThatCannotBeCarriedOut are dropped, not asked for again.
func TestOperationsThatCannotBeCarriedOut(t *testing.T) {
	r := start(t, func(cfg *config.Config) { cfg.WebSocket.MaxOutboundBytes = 64 << 10 })
	ann := r.connect(t, "ann")
	for i, op := range []cluster.Operation{
		{Kind: cluster.PushAll, Payload: strings.Repeat("x", 65<<10)},
		{Kind: cluster.PushUsers, Users: []string{"ann"}, Payload: "\xff"},
		{Kind: 99},
	} {
		if err := r.link.handle(t.Context(), "other", &op); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if n := r.stats.remoteDropped.Load(); n != 3 {
		t.Errorf("%d dropped, want 3", n)
	}
	for _, op := range []cluster.Operation{
		{Kind: cluster.PushUsers, Users: []string{"nobody"}, Payload: "x"}, {Kind: cluster.KickSessions, Sessions: []string{"x", ""}}, {Kind: cluster.KickUsers, Users: []string{"nobody"}},
	} {
		if err := r.link.handle(t.Context(), "", &op); err != nil {
			t.Error(err)
		}
	}
	heartbeat(t, ann)
}
