package redis

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// refuser loses the answers to a command while it is told to.
type refuser struct {
	name string
	on   atomic.Bool
	n    atomic.Int32
}

func (r *refuser) refuse(cmd goredis.Cmder, err error) error {
	if !r.on.Load() || cmd.Name() != r.name {
		return err
	}
	r.n.Add(1)
	cmd.SetErr(context.DeadlineExceeded)
	return cmd.Err()
}

func (r *refuser) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (r *refuser) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error { return r.refuse(cmd, next(ctx, cmd)) }
}

func (r *refuser) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			err = r.refuse(cmd, err)
		}
		return err
	}
}

// A server that is too busy to say which one it is counts as the one that it was: to
// write everything again is what it needs least.
func TestTooBusyToTell(t *testing.T) {
	t.Parallel()
	_, o, _ := single(t)
	o.Lease = time.Hour // renewed here only
	a := newGateway(t, "a", 1, o)
	busy := &refuser{name: "info"}
	a.client.AddHook(busy)
	a.join()
	settled(t, a)
	resyncs := a.Stats().Resyncs
	for _, on := range []bool{true, true, false} {
		busy.on.Store(on)
		if err := a.renew(context.Background(), a.reg.Load()); err != nil {
			t.Fatal(err)
		}
	}
	settled(t, a)
	if busy.n.Load() == 0 {
		t.Error("nobody has asked")
	}
	if n := a.Stats().Resyncs; n != resyncs {
		t.Errorf("%d resyncs, then %d", resyncs, n)
	}
	other := "another one"
	a.servers.Store(&other)
	if err := a.renew(context.Background(), a.reg.Load()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if n := a.Stats().Resyncs; n != resyncs+1 {
			return fmt.Errorf("%d resyncs after the server has changed, want %d", n, resyncs+1)
		}
		return nil
	})
}

// A pass over the sessions waits for the writer, so that nothing is taken for missing
// that is only not written yet; it does not wait for longer than it was to take.
func TestPassWaitsForTheWriter(t *testing.T) {
	t.Parallel()
	_, o, _ := single(t)
	a := newGateway(t, "a", 1, o)
	a.connect("user") // nobody writes it before a has joined
	a.joined.Store(&joined{self: a.self, local: a.sessions})
	ctx := context.Background()
	chunks := 0
	chunk := func(_, _ []string) error { chunks++; return nil }
	if err := a.pass(ctx, 20*time.Millisecond, chunk); !errors.Is(err, errBehind) || chunks != 0 {
		t.Fatalf("with a change that waits: %d chunks, %v", chunks, err)
	}
	done := make(chan error)
	go func() { done <- a.pass(ctx, patient, chunk) }()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	a.join()
	if err := <-done; err != nil || chunks != 1 {
		t.Fatalf("with nothing that waits: %d chunks, %v", chunks, err)
	}
	settled(t, a)
}

// A server that takes longer over a write than a lookup may take is waited for: what it
// would get instead is everything again.
func TestSlowWrite(t *testing.T) {
	t.Parallel()
	_, o, c := single(t)
	o.Lease, o.Timeout = time.Hour, time.Second
	a := joinedNode(t, "a", 1, o)
	settled(t, a)
	resyncs := a.Stats().Resyncs
	if err := c.Do(context.Background(), "client", "pause", 2*o.Timeout.Milliseconds(), "all").Err(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	a.connect("user")
	settled(t, a)
	if s := a.Stats(); s.Resyncs != resyncs {
		t.Errorf("%d resyncs, then %d", resyncs, s.Resyncs)
	}
	if took := time.Since(begun); took < o.Timeout {
		t.Errorf("written after %v, which was not slow", took)
	}
}
