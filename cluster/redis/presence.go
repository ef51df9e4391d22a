package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"carillon/cluster"
)

// Presence is a [cluster.Presence] on Redis.
//
// The [cluster.Sessions] given to Join must hold a session before Connect is called
// for it, and no more hold it when Disconnect is: what is written is what they say.
type Presence struct {
	opt     Options
	log     *slog.Logger
	client  goredis.UniversalClient
	cluster bool
	token   string // tells this process from another with the same node id
	queue   *queue

	// What Join was given.
	joined atomic.Pointer[joined]
	joinMu sync.Mutex // held by Join and Leave
	left   bool
	stop   context.CancelFunc // ends the goroutines, nil when there are none
	done   sync.WaitGroup

	reg         atomic.Pointer[registration] // nil while not registered
	last        *registration                // the last one; of the goroutine that registers
	incarnation uint64                       // of that
	away        atomic.Pointer[string]       // why Redis is away, nil while it is not
	view        atomic.Pointer[view]
	membership  atomic.Int32
	lost        chan struct{}
	renewal     chan struct{}
	looking     chan struct{}          // held while a renewal is under way
	servers     atomic.Pointer[string] // which servers there were at the last one
	expired     chan []string
	everything  atomic.Bool // all sessions are to be written again
	syncing     atomic.Bool // a resync is under way
	mixed       mixed
	tracked     atomic.Pointer[tracked]

	counter                                counter
	changes, roundTrips                    atomic.Uint64
	resyncs, repaired, leasesLost, cleaned atomic.Uint64
	hits, misses                           atomic.Uint64
}

var _ cluster.Presence = (*Presence)(nil)

// What membership says: whose loss of the id it is, Join's to return or for Lost to tell.
const (
	joining int32 = iota
	refused       // the id was lost before Join has returned
	member
)

// joined is a node and its sessions.
type joined struct {
	self  cluster.Node
	local cluster.Sessions
	json  string
}

// New returns a Presence that connects when it has something to do.
func New(o Options) (*Presence, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	p := &Presence{
		opt:     o,
		log:     o.Logger,
		client:  goredis.NewUniversalClient(o.universal()),
		token:   rand.Text(),
		queue:   newQueue(o.MaxPending),
		lost:    make(chan struct{}),
		renewal: make(chan struct{}, 1),
		looking: make(chan struct{}, 1),
		expired: make(chan []string, 1),
	}
	_, p.cluster = p.client.(*goredis.ClusterClient)
	p.client.AddHook(&p.counter)
	driver.to.Store(o.Logger)
	return p, nil
}

func (p *Presence) newWriter() writer {
	if p.cluster {
		return &clusterWriter{client: p.client, timeout: p.writeTimeout()}
	}
	return &atomicWriter{client: p.client, timeout: p.writeTimeout()}
}

// writeTimeout is for a round trip that nobody waits for. It is long: to give up a
// write means to write everything again, which a server that is merely busy, with
// many nodes that do this after a failover, needs least.
func (p *Presence) writeTimeout() time.Duration { return patience * p.opt.Timeout }

// patience is how many times longer a write may take than a read that someone
// waits for.
const patience = 5

// Connect implements [cluster.Presence].
func (p *Presence) Connect(user string, id cluster.SessionID) {
	p.queue.put(change{user: user, id: id, kind: come})
}

// Disconnect implements [cluster.Presence].
func (p *Presence) Disconnect(user string, id cluster.SessionID) {
	p.queue.put(change{user: user, id: id, kind: gone})
}

// Join implements [cluster.Presence].
func (p *Presence) Join(ctx context.Context, self cluster.Node, local cluster.Sessions) error {
	p.joinMu.Lock()
	defer p.joinMu.Unlock()
	if p.left || p.stop != nil {
		return errors.New("redis: joined or left already")
	}
	if self.Owner != "" { // who knows that no other start under this id is alive
		p.token = self.Owner
	}
	j := &joined{self: self, local: local}
	j.json = encodeNode(self, p.token)
	p.joined.Store(j)
	for {
		err := p.register(ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, errCleaning) {
			return p.joinError(ctx, err)
		}
		select {
		case <-time.After(cleaningPause):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w while another node cleans up", cluster.ErrAway, ctx.Err())
		}
	}

	running, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.membership.Store(joining)
	f := &flusher{p: p, writer: p.newWriter(), first: make(chan error, 1)}
	f.begin()
	for _, loop := range []func(context.Context){f.run, p.keepLease, p.cleanUp, p.reconcile, p.refreshHeartbeats, p.track} {
		p.done.Go(func() { loop(running) })
	}
	var err error
	select {
	case err = <-f.first:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if r := p.reg.Load(); err == nil && r != nil {
		err = p.renew(ctx, r) // so that Members knows the others
	}
	if err == nil && !p.membership.CompareAndSwap(joining, member) {
		err = &cluster.TakenError{Node: self.ID}
	}
	if err != nil {
		// Another Join needs them gone. They do not wait for long.
		_ = p.halt(context.WithoutCancel(ctx))
		return p.joinError(ctx, err)
	}
	return nil
}

func (p *Presence) joinError(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, cluster.ErrNodeTaken):
		return fmt.Errorf("redis: %w", err)
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", cluster.ErrAway, ctx.Err())
	}
	p.log.Debug("redis: joining has not succeeded", "error", err)
	return fmt.Errorf("%w: %s", cluster.ErrAway, reason(err))
}

// halt ends the goroutines, and waits for them as long as ctx lasts.
func (p *Presence) halt(ctx context.Context) error {
	if p.stop == nil {
		return nil
	}
	p.stop()
	p.stop = nil
	ended := make(chan struct{})
	go func() {
		p.done.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", cluster.ErrAway, ctx.Err())
	}
}

// Leave implements [cluster.Presence].
func (p *Presence) Leave(ctx context.Context) error {
	p.joinMu.Lock()
	defer p.joinMu.Unlock()
	if p.left {
		return nil
	}
	p.left = true
	err := p.halt(ctx)
	if err == nil {
		err = p.remove(ctx)
	}
	return errors.Join(err, p.client.Close())
}

// remove removes the node and everything that was written for it.
func (p *Presence) remove(ctx context.Context) error {
	if p.incarnation == 0 || p.isLost() {
		return nil
	}
	reg := p.reg.Swap(nil)
	if reg == nil {
		// Once more, so that nothing written before can come after.
		err := p.register(ctx)
		if errors.Is(err, cluster.ErrNodeTaken) {
			return nil // the other one has cleaned up
		}
		if err != nil {
			return fmt.Errorf("leave: %w: %s", cluster.ErrAway, reason(err))
		}
		reg = p.reg.Swap(nil)
	}
	as := holder{node: p.joined.Load().self.ID, incarnation: reg.incarnation, extend: p.opt.Lease.Milliseconds()}
	if err := p.removeNode(ctx, p.newWriter(), as); err != nil && !errors.Is(err, errFenced) {
		if ctx.Err() != nil {
			return fmt.Errorf("leave: %w: %w", cluster.ErrAway, ctx.Err())
		}
		return fmt.Errorf("leave: %w: %s", cluster.ErrAway, reason(err))
	}
	return nil
}

// Shared implements [cluster.Presence].
func (p *Presence) Shared() bool { return true }

// Ready implements [cluster.Presence].
func (p *Presence) Ready() error {
	if p.isLost() {
		return cluster.ErrNodeTaken
	}
	if why := p.away.Load(); why != nil {
		return fmt.Errorf("%w: %s", cluster.ErrAway, *why)
	}
	if p.reg.Load() == nil {
		return fmt.Errorf("%w: the node is not registered", cluster.ErrAway)
	}
	return nil
}

// Lost implements [cluster.Presence].
func (p *Presence) Lost() <-chan struct{} { return p.lost }

func (p *Presence) isLost() bool {
	select {
	case <-p.lost:
		return true
	default:
		return false
	}
}

// Stats implements [cluster.Presence].
func (p *Presence) Stats() cluster.PresenceStats {
	return cluster.PresenceStats{
		Up:          p.Ready() == nil,
		Pending:     int(p.queue.waiting.Load()),
		PendingMax:  p.opt.MaxPending,
		Changes:     p.changes.Load(),
		RoundTrips:  p.roundTrips.Load(),
		Commands:    p.counter.commands.Load(),
		Errors:      p.counter.failures.Load(),
		Resyncs:     p.resyncs.Load(),
		Repaired:    p.repaired.Load(),
		LeasesLost:  p.leasesLost.Load(),
		Cleaned:     p.cleaned.Load(),
		CacheHits:   p.hits.Load(),
		CacheMisses: p.misses.Load(),
	}
}
