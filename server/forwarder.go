package server

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"carillon/cluster"
	"carillon/server/admin"
)

// forwarder decides which other nodes get an operation, and publishes it. It is one
// goroutine with one queue, so that what a caller submits leaves in that order,
// whatever its kind, and so that all that wait are looked up in one round trip.
type forwarder struct {
	self     string
	presence cluster.Presence
	bus      cluster.Bus
	warn     *warnings

	mu     sync.Mutex
	queue  []*route
	bytes  int
	closed bool
	wake   chan struct{}
	idle   chan struct{} // closed when the forwarder is closed and its queue is empty

	depth   atomic.Int64
	blind   atomic.Uint64
	refused atomic.Uint64 // routes that the queue had no room for
	full    atomic.Uint64 // routes that the outbox had no room for
}

// What may wait to be looked up. Lookups take a round trip to Redis, so that this
// is seconds worth of pushes.
const (
	maxRoutes     = 1 << 16
	maxRouteBytes = 64 << 20
	routesAtOnce  = 512
	targetsAtOnce = 4096 // of routes looked up together, and of one lookup
	lookupTimeout = 2 * time.Second
)

// route is an operation on its way to other nodes. Users and Sessions in it are
// everything that was addressed and can be elsewhere.
type route struct {
	op       cluster.Operation
	node     string // of KickAll: the only node concerned, "" is all
	admitted bool   // by Bus.Admit, before the caller was answered
	refused  bool   // by Bus.Admit
	result   *routed
}

// routed is what became of a route, for those who wait for it.
type routed struct {
	routes      []admin.Route
	everywhere  bool
	blind       bool // nobody knew where the targets are
	unreachable []admin.Unreachable
	elsewhere   map[string]struct{} // users and sessions that other nodes hold
	err         error

	done     chan struct{} // closed when the above is final
	parts    atomic.Int32  // publications without an answer of the broker, and one for the forwarder
	took     chan struct{} // closed when the broker has answered to all
	unrouted atomic.Bool
}

func newRouted() *routed {
	r := &routed{done: make(chan struct{}), took: make(chan struct{})}
	r.parts.Store(1)
	return r
}

// part returns the callback for one more publication; a nil routed has none.
func (r *routed) part() func(error) {
	if r == nil {
		return nil
	}
	r.parts.Add(1)
	return r.finish
}

func (r *routed) finish(err error) {
	if err != nil {
		r.unrouted.Store(true)
	}
	if r.parts.Add(-1) == 0 {
		close(r.took)
	}
}

func newForwarder(self string, p cluster.Presence, b cluster.Bus, warn *warnings) *forwarder {
	return &forwarder{self: self, presence: p, bus: b, warn: warn, wake: make(chan struct{}, 1), idle: make(chan struct{})}
}

// submit queues a route. Errors: ErrBusy, ErrClosing. Any goroutine; does not block.
func (f *forwarder) submit(rt *route) error {
	n := sizeOf(&rt.op)
	f.mu.Lock()
	switch {
	case f.closed:
		f.mu.Unlock()
		return ErrClosing
	case len(f.queue) >= maxRoutes || f.bytes+n > maxRouteBytes:
		f.mu.Unlock()
		f.refused.Add(1)
		return ErrBusy
	}
	f.queue = append(f.queue, rt)
	f.bytes += n
	f.depth.Store(int64(len(f.queue)))
	f.mu.Unlock()
	f.signal()
	return nil
}

func (f *forwarder) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func sizeOf(op *cluster.Operation) int {
	n := len(op.Payload)
	for _, list := range [2][]string{op.Users, op.Sessions} {
		for _, s := range list {
			n += len(s)
		}
	}
	return n
}

// run routes until ctx ends.
func (f *forwarder) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		}
		for ctx.Err() == nil {
			batch, last := f.take()
			if len(batch) > 0 {
				f.routeAll(ctx, batch)
			}
			if last {
				close(f.idle)
				return
			}
			if len(batch) == 0 {
				break
			}
		}
	}
}

// take removes the next routes from the queue; last tells that there will be no
// more.
func (f *forwarder) take() (batch []*route, last bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, targets := 0, 0
	for n < min(len(f.queue), routesAtOnce) {
		rt := f.queue[n]
		targets += len(rt.op.Users) + len(rt.op.Sessions)
		if n > 0 && targets > targetsAtOnce {
			break
		}
		batch = append(batch, rt)
		f.bytes -= sizeOf(&rt.op)
		n++
	}
	clear(f.queue[:n])
	if f.queue = f.queue[n:]; len(f.queue) == 0 {
		f.queue = nil
	}
	f.depth.Store(int64(len(f.queue)))
	return batch, n == 0 && f.closed
}

// close refuses further routes and waits, as long as ctx lasts, until those
// submitted are published.
func (f *forwarder) close(ctx context.Context) {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.signal()
	select {
	case <-f.idle:
	case <-ctx.Done():
	}
}

// routeAll looks up everything that a batch addresses, then publishes it in order.
func (f *forwarder) routeAll(ctx context.Context, batch []*route) {
	var users, ids []string
	for _, rt := range batch {
		users = append(users, rt.op.Users...)
		for _, id := range rt.op.Sessions {
			if f.nodeOf(id) == "" {
				ids = append(ids, id)
			}
		}
	}
	where, nodes := f.lookUp(ctx, users, ids)
	for _, rt := range batch {
		f.publish(ctx, rt, where, nodes)
		if res := rt.result; res != nil {
			close(res.done)
			res.finish(nil)
		}
	}
}

// lookUp asks presence where users and sessions are. A nil map means that nobody
// knows.
func (f *forwarder) lookUp(ctx context.Context, users, ids []string) (where map[string]cluster.Location, nodes map[string]string) {
	if !f.presence.Shared() {
		return nil, nil
	}
	where, err := ask(ctx, users, f.presence.Locate)
	if err != nil {
		f.warn.cluster.log("users cannot be looked up, their messages go to every node", "err", err)
	}
	nodes, err = ask(ctx, ids, f.presence.LocateSessions)
	if err != nil {
		f.warn.cluster.log("sessions cannot be looked up, their messages go to every node", "err", err)
	}
	return where, nodes
}

// ask asks about each target once, about so many at a time that there is an answer in
// the time there is for it. It returns nil when there is not.
func ask[T any](ctx context.Context, targets []string, about func(context.Context, []string) ([]T, error)) (map[string]T, error) {
	if len(targets) == 0 {
		return nil, nil
	}
	targets = once(targets)
	answers := make(map[string]T, len(targets))
	for part := range slices.Chunk(targets, targetsAtOnce) {
		ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
		found, err := about(ctx, part)
		cancel()
		if err != nil {
			return nil, err
		}
		for i, target := range part {
			answers[target] = found[i]
		}
	}
	return answers, nil
}

// nodeOf returns the node that a session id names, "" when it names none that is
// alive.
func (f *forwarder) nodeOf(text string) string {
	id, err := cluster.ParseSessionID(text)
	if err != nil {
		return ""
	}
	for _, n := range f.presence.Members() {
		if n.Tag == id.Tag() {
			return n.ID
		}
	}
	return ""
}
