package local

import (
	"context"
	"errors"
	"fmt"

	"carillon/cluster"
)

var _ cluster.Presence = (*Presence)(nil)

// Presence is a [cluster.Presence] that asks the members of its [Hub]. There is no
// lease and nothing to write, so Expires of its nodes and the counters of writes
// in its Stats stay zero.
type Presence struct {
	hub    *Hub
	number uint64 // of its holder, 0 when it is not joined; guarded by hub.mu
	lost   chan struct{}
}

// Join makes self and its sessions known to the other members. It does not wait.
func (p *Presence) Join(ctx context.Context, self cluster.Node, local cluster.Sessions) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("presence: %w: %w", cluster.ErrAway, err)
	}
	h := p.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.presenceAway {
		return fmt.Errorf("presence: %w", cluster.ErrAway)
	}
	if p.isLost() {
		return fmt.Errorf("presence: node %q: %w", self.ID, cluster.ErrNodeTaken)
	}
	for _, o := range h.holders {
		if o.presence != nil && o.node.ID == self.ID {
			return fmt.Errorf("presence: node %q: %w", self.ID, cluster.ErrNodeTaken)
		}
	}
	h.incarnations[self.ID]++
	self.Incarnation = h.incarnations[self.ID]
	p.number = h.add(holder{Sessions: local, node: self, presence: p})
	return nil
}

// Connect has nothing to do: lookups ask the sessions themselves.
func (p *Presence) Connect(string, cluster.SessionID) {}

// Disconnect has nothing to do: lookups ask the sessions themselves.
func (p *Presence) Disconnect(string, cluster.SessionID) {}

// Leave removes the node. While the presence is away it does so too, as the end of
// a lease would, and returns an error that wraps [cluster.ErrAway].
func (p *Presence) Leave(context.Context) error {
	h := p.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.number == 0 {
		return nil
	}
	h.drop(p.number)
	p.number = 0
	if h.presenceAway {
		return fmt.Errorf("presence: %w", cluster.ErrAway)
	}
	return nil
}

// Shared tells whether the presence was made by a hub.
func (p *Presence) Shared() bool { return !p.hub.lone }

// Ready returns nil while the node is a member.
func (p *Presence) Ready() error {
	p.hub.mu.RLock()
	defer p.hub.mu.RUnlock()
	switch {
	case p.isLost():
		return fmt.Errorf("presence: %w", cluster.ErrNodeTaken)
	case p.hub.presenceAway:
		return fmt.Errorf("presence: %w", cluster.ErrAway)
	case p.number == 0:
		return errors.New("presence: the node has not joined")
	}
	return nil
}

// Lost is closed by [Hub.TakeOver].
func (p *Presence) Lost() <-chan struct{} { return p.lost }

func (p *Presence) isLost() bool {
	select {
	case <-p.lost:
		return true
	default:
		return false
	}
}

// Members returns the nodes that have joined, without counts.
func (p *Presence) Members() []cluster.Node {
	p.hub.mu.RLock()
	holders := p.hub.holders
	p.hub.mu.RUnlock()
	members := make([]cluster.Node, 0, len(holders))
	for _, o := range holders {
		if o.presence != nil {
			members = append(members, o.node)
		}
	}
	return members
}

// Mixed tells whether the hub has nodes made by [Hub.Foreign].
func (p *Presence) Mixed() bool {
	p.hub.mu.RLock()
	defer p.hub.mu.RUnlock()
	for _, o := range p.hub.holders {
		if o.presence == nil {
			return true
		}
	}
	return false
}

// Stats tells whether the node is a member; there is nothing else to count.
func (p *Presence) Stats() cluster.PresenceStats {
	return cluster.PresenceStats{Up: p.Ready() == nil}
}
