package redis

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"carillon/cluster"
)

// Pauses between attempts while Redis is away.
const (
	firstPause = 20 * time.Millisecond
	maxPause   = time.Second
)

// flusher is the goroutine that writes.
type flusher struct {
	p       *Presence
	writer  writer
	changes []change
	entries []entry // written when empty: after a failure they are written first
	noted   int     // of the entries, those from the queue
	changed int     // of them, those that came from Connect and Disconnect
	resync  *resync // nil when there is none
	first   chan error
}

func (f *flusher) run(ctx context.Context) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = firstPause, maxPause
	// A Join that failed may be followed by another one, which writes everything.
	defer func() { f.p.queue.settled.Add(uint64(f.noted)) }()
	for ctx.Err() == nil {
		r := f.p.reg.Load()
		more, err := f.step(ctx, r)
		wait := time.Duration(-1)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, cluster.ErrNodeTaken):
			f.lose(err)
			return
		case errors.Is(err, errCleaning):
			wait = cleaningPause
		case err != nil:
			f.p.reg.CompareAndSwap(r, nil)
			f.p.failed(err)
			f.tell(err)
			wait = pause.NextBackOff()
		default:
			pause.Reset()
		}
		switch {
		case wait >= 0:
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
		case !more && f.p.queue.sleep():
			select {
			case <-f.p.queue.wake:
			case <-ctx.Done():
			}
			f.p.queue.asleep.Store(false)
		}
	}
}

// lose notes that another node has this node's id.
func (f *flusher) lose(err error) {
	if f.p.membership.CompareAndSwap(joining, refused) {
		f.tell(err)
		return
	}
	f.p.log.Error("redis: another node has taken over this node's id; nothing more is written")
	close(f.p.lost)
}

// tell tells Join how the first resync has ended.
func (f *flusher) tell(err error) {
	select {
	case f.first <- err:
	default:
	}
}

// step does what is next, and tells whether there may be more.
func (f *flusher) step(ctx context.Context, r *registration) (more bool, err error) {
	p := f.p
	if r != nil && r.overdue(p.opt.Lease) {
		// The process was paused, or renewals fail.
		p.reg.CompareAndSwap(r, nil)
		r = nil
	}
	if r == nil {
		if err := p.register(ctx); err != nil {
			return false, err
		}
		f.begin()
		return true, nil
	}
	if len(f.entries) == 0 {
		if err := f.gather(ctx); err != nil {
			return false, err
		}
	}
	if len(f.entries) > 0 {
		if err := f.write(ctx, r); err != nil {
			if errors.Is(err, errFenced) {
				p.unregister(r)
				err = nil
			}
			return true, err
		}
	}
	if f.resync != nil && f.resync.finished() {
		f.resync = nil
		p.syncing.Store(false)
		p.resyncs.Add(1)
		f.tell(nil)
	}
	return f.resync != nil || p.queue.waiting.Load() > 0 || p.everything.Load(), nil
}

// begin begins a resync, or the one under way anew.
func (f *flusher) begin() {
	f.p.syncing.Store(true)
	f.resync = &resync{}
}

// gather collects the next entries.
func (f *flusher) gather(ctx context.Context) error {
	p := f.p
	if p.queue.overflow.Load() {
		p.log.Warn("redis: more changes wait than may; writing all sessions again instead", "max", p.opt.MaxPending)
		p.queue.drop()
		p.everything.Store(true)
	}
	if p.everything.Swap(false) {
		// Begun here, with nothing unwritten in f.entries: the resync has to see
		// in Redis everything that was taken from the queue before.
		f.begin()
	}
	f.changes = p.queue.take(f.changes[:0], f.writer.most())
	for _, c := range f.changes {
		e := entry{user: c.user, kind: c.kind}
		if c.kind != check {
			e.session = c.id.String()
			f.changed++
		}
		f.noted++
		f.entries = append(f.entries, e)
	}
	clear(f.changes)
	if f.resync == nil || len(f.entries) >= f.writer.most() {
		return nil
	}
	j := p.joined.Load()
	var err error
	f.entries, err = f.resync.step(ctx, p, j, f.entries, f.writer.most())
	return err
}

func (f *flusher) write(ctx context.Context, r *registration) error {
	p := f.p
	j := p.joined.Load()
	users, _ := j.local.Len()
	as := holder{node: j.self.ID, incarnation: r.incarnation, users: strconv.Itoa(users), now: time.Now().UnixMilli()}
	// Not given up when the goroutine is to end: nothing may be under way then.
	trips, err := f.writer.write(context.WithoutCancel(ctx), as, f.entries, j.local.CountOf)
	p.roundTrips.Add(uint64(trips))
	if err != nil {
		return err
	}
	p.changes.Add(uint64(f.changed))
	p.queue.settled.Add(uint64(f.noted))
	clear(f.entries)
	f.entries, f.noted, f.changed = f.entries[:0], 0, 0
	return nil
}

// resyncNow has all sessions written again.
func (p *Presence) resyncNow() {
	p.everything.Store(true)
	p.queue.kick()
}
