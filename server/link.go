package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"carillon/cluster"
	"carillon/netpoll"
)

// link is the Server's membership in a cluster: it joins, routes what goes to
// other nodes, carries out what comes from them, and leaves.
type link struct {
	srv       *Server
	presence  cluster.Presence
	bus       cluster.Bus
	forwarder *forwarder
	feed      *netpoll.Feed
	self      cluster.Node
	alone     bool // there can be no other nodes

	started bool
	joined  atomic.Bool
	taken   chan error // the node id belongs to another; the node has to go
	stop    context.CancelFunc
	work    sync.WaitGroup
}

func newLink(s *Server, p cluster.Presence, b cluster.Bus) *link {
	l := &link{srv: s, presence: p, bus: b, feed: s.reactor.NewFeed(), taken: make(chan error, 1), alone: !p.Shared() && !b.Shared()}
	l.forwarder = newForwarder(s.cfg.Server.NodeID, p, b, &s.warn)
	return l
}

// admits tells whether clients may connect. Loop or any goroutine.
func (l *link) admits() bool {
	return l.alone || l.joined.Load() || l.srv.cfg.Server.StartWithoutCluster
}

// ready returns why clients are not admitted.
func (l *link) ready() error {
	if l.admits() {
		return nil
	}
	if err := l.bus.Ready(); err != nil {
		return fmt.Errorf("joining the cluster: %w", err)
	}
	if err := l.presence.Ready(); err != nil {
		return fmt.Errorf("joining the cluster: %w", err)
	}
	return errors.New("joining the cluster")
}

// start joins the cluster in the background, again and again until it works.
func (l *link) start(ctx context.Context, self cluster.Node) {
	l.self = self
	ctx, l.stop = context.WithCancel(ctx)
	l.started = true
	if l.alone { // Nothing can fail, and nobody waits.
		l.join(ctx)
		return
	}
	l.work.Go(func() { l.forwarder.run(ctx) })
	l.work.Go(func() {
		l.join(ctx)
		select {
		case <-ctx.Done():
		case <-l.presence.Lost():
			l.give(fmt.Errorf("%w: it was lost to another one", cluster.ErrNodeTaken))
		}
	})
}

// The first attempts to join come soon after each other, the later ones seldom.
const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// join opens the bus first, so that what is routed here arrives as soon as other
// nodes know of this one.
func (l *link) join(ctx context.Context) {
	open := func() error { return l.bus.Open(ctx, l.self, l.handle) }
	enter := func() error { return l.presence.Join(ctx, l.self, localSessions{l.srv}) }
	for _, step := range []struct {
		name string
		do   func() error
	}{{"message bus", open}, {"presence", enter}} {
		if err := l.retry(ctx, step.name, step.do); err != nil {
			return
		}
	}
	l.joined.Store(true)
	if !l.alone {
		l.srv.log.Info("joined the cluster", "node", l.self.ID)
	}
}

// retry repeats one step of joining until it works. A node id in use ends the
// node when its holder is seen to be alive; else it is a former start of this node
// that nobody has missed yet, and is waited for: the broker may miss one whose machine
// has died later than its lease runs out.
func (l *link) retry(ctx context.Context, name string, do func() error) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = firstRetry, lastRetry
	var patience, lease time.Time
	for {
		err := do()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if errors.Is(err, cluster.ErrNodeTaken) {
			var taken cluster.TakenError
			if t := (*cluster.TakenError)(nil); errors.As(err, &t) {
				taken = *t
			}
			now := time.Now()
			if patience.IsZero() {
				patience, lease = now.Add(max(l.srv.cfg.Cluster.Lease, taken.Lingers)+2*time.Second), taken.Expires
			}
			if taken.Expires.After(lease) || now.After(patience) {
				l.give(err)
				return err
			}
			pause.Reset()
		}
		wait := pause.NextBackOff()
		l.srv.warn.cluster.log("not in the cluster yet", "part", name, "err", err, "again_in", wait.Round(time.Millisecond))
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}

// give makes the server end with err.
func (l *link) give(err error) {
	select {
	case l.taken <- err:
	default:
	}
}

// leave takes this node out of the cluster; its sessions are closed by now. It
// returns what did not work before ctx ended.
func (l *link) leave(ctx context.Context) error {
	if l.started {
		if !l.alone {
			l.forwarder.close(ctx)
		}
		l.stop()
		l.work.Wait()
	}
	return errors.Join(l.presence.Leave(ctx), l.bus.Close(ctx))
}
