package netpoll

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"carillon/codec"
)

// Feed hands operations to the loops for a producer that can wait: one that reads
// a message queue, say, whose broker keeps what is not taken. A call returns when
// every loop concerned has the operation, once each, however long some of them are
// full; when ctx ends before that it returns ctx's error, and some loops may have
// it. Any goroutine but a loop's own.
type Feed struct {
	r       *Reactor
	waiting atomic.Int32
	waited  atomic.Int64
}

// NewFeed returns a Feed of r.
func (r *Reactor) NewFeed() *Feed { return &Feed{r: r} }

// Broadcast is Reactor.Broadcast.
func (f *Feed) Broadcast(ctx context.Context, frame *codec.Frame) error {
	if err := f.r.fits(frame); err != nil {
		return err
	}
	for _, s := range *f.r.shards.Load() {
		if err := f.push(ctx, s, op{kind: opBroadcast, frame: frame}); err != nil {
			return err
		}
	}
	return nil
}

// SendMany is Reactor.SendMany.
func (f *Feed) SendMany(ctx context.Context, hs []Handle, frame *codec.Frame) error {
	if err := f.r.fits(frame); err != nil {
		return err
	}
	return f.each(ctx, hs, op{kind: opSendMany, frame: frame})
}

// CloseMany is Reactor.CloseMany.
func (f *Feed) CloseMany(ctx context.Context, hs []Handle, code codec.CloseCode, reason string, why Cause) error {
	return f.each(ctx, hs, op{kind: opCloseMany, code: code, reason: reason, cause: why})
}

// Waiting tells whether a call waits for a loop now, and how long calls have
// waited in all.
func (f *Feed) Waiting() (now bool, total time.Duration) {
	return f.waiting.Load() > 0, time.Duration(f.waited.Load())
}

func (f *Feed) each(ctx context.Context, hs []Handle, o op) error {
	shards := *f.r.shards.Load()
	for i, part := range split(hs, len(shards)) {
		if len(part) == 0 {
			continue
		}
		o.many = part
		if err := f.push(ctx, shards[i], o); err != nil {
			return err
		}
	}
	return nil
}

// The wait for a full loop begins short, since a loop makes room all the time, and
// grows, since one that stays full is stuck behind slow sockets.
const (
	firstWait = time.Millisecond
	lastWait  = 16 * time.Millisecond
)

func (f *Feed) push(ctx context.Context, s *Shard, o op) error {
	err := s.push(o)
	if !errors.Is(err, ErrQueueFull) {
		return err
	}
	f.waiting.Add(1)
	start := time.Now()
	defer func() {
		f.waiting.Add(-1)
		f.waited.Add(int64(time.Since(start)))
	}()
	wait := firstWait
	t := time.NewTimer(wait)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.r.loopsDone:
			return ErrStopped
		case <-t.C:
		}
		if !s.full(o.bytes()) {
			if err := s.push(o); !errors.Is(err, ErrQueueFull) {
				return err
			}
		}
		wait = min(2*wait, lastWait)
		t.Reset(wait)
	}
}
