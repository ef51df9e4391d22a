package local

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"carillon/cluster"
)

var _ cluster.Bus = (*Bus)(nil)

// Bus is a [cluster.Bus] that hands operations to the other members of its [Hub].
// What a member has not handled yet counts in the outbox of the one who has
// published it; nobody waits for a member that is slow. An operation counts as
// confirmed when it is in the queue of every member that it is for.
type Bus struct {
	hub      *Hub
	outgoing serial[*publication]
	incoming serial[delivery]
	outbox   outbox

	// Set by Open, before anything is delivered.
	id      string
	handler cluster.Handler
	ctx     context.Context
	cancel  context.CancelFunc

	received atomic.Uint64
	busy     busy
}

// delivery is what waits for the handler of a member.
type delivery struct {
	op      *cluster.Operation
	from    string
	outbox  *outbox // of the publisher, nil for a node of the reference
	publish *publication
}

func newBus(h *Hub) *Bus {
	b := &Bus{hub: h}
	b.outgoing.handle, b.outgoing.held = b.carry, true
	b.incoming.handle = b.deliver
	return b
}

// Open makes the bus reachable for the other members. It does not wait.
func (b *Bus) Open(ctx context.Context, self cluster.Node, handler cluster.Handler) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("bus: %w: %w", cluster.ErrAway, err)
	}
	h := b.hub
	h.busMu.Lock()
	defer h.busMu.Unlock()
	if h.busAway {
		return fmt.Errorf("bus: %w", cluster.ErrAway)
	}
	if h.buses[self.ID] != nil {
		return fmt.Errorf("bus: node %q: %w", self.ID, cluster.ErrNodeTaken)
	}
	b.id, b.handler = self.ID, handler
	b.ctx, b.cancel = context.WithCancel(context.Background())
	h.buses[self.ID] = b
	b.outgoing.hold(false)
	return nil
}

// Close hands over what was published, as long as ctx lasts, and ends the context
// of the handler. It returns when the handler has returned, or when ctx ends.
func (b *Bus) Close(ctx context.Context) error {
	open := b.isOpen()
	var flushed error
	if open {
		flushed = b.outgoing.flush(ctx)
	}
	for _, p := range b.outgoing.stop() {
		b.close(p)
	}
	if !open {
		return nil
	}
	b.hub.busMu.Lock()
	delete(b.hub.buses, b.id)
	b.hub.busMu.Unlock()
	for _, d := range b.incoming.stop() {
		d.release()
	}
	b.cancel()
	if err := errors.Join(flushed, b.incoming.flush(ctx)); err != nil {
		return fmt.Errorf("bus: close: %w", err)
	}
	return nil
}

// Shared tells whether the bus was made by a hub.
func (b *Bus) Shared() bool { return !b.hub.lone }

// Ready returns nil while the bus is open.
func (b *Bus) Ready() error {
	if !b.isOpen() {
		return errors.New("bus: it is not open")
	}
	return b.hub.reach()
}

func (b *Bus) isOpen() bool {
	b.hub.busMu.RLock()
	defer b.hub.busMu.RUnlock()
	return b.hub.buses[b.id] == b
}

// Admit refuses while as much waits for other members as may.
func (b *Bus) Admit() error {
	return b.outbox.admit(int(b.hub.outboxMax.Load()))
}

// Broadcast publishes to every member, those made by [Hub.Foreign] included.
func (b *Bus) Broadcast(op *cluster.Operation, done func(error)) {
	b.publish(toEveryone, "", op, done)
}

// SendAll publishes to every member.
func (b *Bus) SendAll(op *cluster.Operation, done func(error)) {
	b.publish(toAll, "", op, done)
}

// Send publishes to one member.
func (b *Bus) Send(node string, op *cluster.Operation, done func(error)) {
	b.publish(toNode, node, op, done)
}

// Forget has nothing to remove: a member that is gone leaves nothing behind.
func (b *Bus) Forget(context.Context, string) error {
	return b.hub.reach()
}

// Stats returns the numbers of this member.
func (b *Bus) Stats() cluster.BusStats {
	s := cluster.BusStats{
		Up:             b.Ready() == nil,
		OutboxMaxBytes: int(b.hub.outboxMax.Load()),
		Received:       b.received.Load(),
		Reconnects:     b.hub.reconnects.Load(),
	}
	s.Blocked, s.BlockedFor = b.busy.read()
	b.outbox.fill(&s)
	return s
}

func (b *Bus) publish(r route, node string, op *cluster.Operation, done func(error)) {
	if b.hub.lone && done == nil {
		return // there is nobody to carry it to, and nobody to tell
	}
	p := &publication{op: encode(op), route: r, node: node, done: done, size: sizeOf(op), since: time.Now()}
	b.outbox.add(p)
	if !b.outgoing.put(p) {
		go b.close(p) // done may take a lock that the caller holds
	}
}

// carry puts a publication into the queues of the members that it is for.
func (b *Bus) carry(p *publication) {
	done := p.done
	members, foreign, err := b.hub.receivers(p, b.id)
	if err == nil {
		b.outbox.divide(p, len(members))
		for _, m := range members {
			d := delivery{op: p.op, from: b.id, outbox: &b.outbox, publish: p}
			if !m.incoming.put(d) { // it was closed in between
				d.release()
			}
		}
		for _, f := range foreign {
			f.record(b.id, p.op)
		}
	}
	b.outbox.finish(err)
	b.outbox.release(p)
	if done != nil {
		done(err)
	}
}

// close gives up a publication.
func (b *Bus) close(p *publication) {
	done := p.done
	b.outbox.release(p)
	if done != nil {
		done(cluster.ErrClosed)
	}
}
