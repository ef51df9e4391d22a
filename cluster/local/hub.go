package local

import (
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"carillon/cluster"
)

// outboxLimit is what may wait for other members by default, in bytes: some
// sixty messages of the largest size, or many thousands of the usual one.
const outboxLimit = 64 << 20

// Hub is a cluster within one process. Its methods may be called from any
// goroutine.
type Hub struct {
	lone       bool         // there is one member and there will be no other
	seed       maphash.Seed // of the sums in cursors
	outboxMax  atomic.Int64
	reconnects atomic.Uint64

	mu           sync.RWMutex // of presences
	holders      []holder     // in the order of number; replaced, never changed
	number       uint64       // of the last holder
	incarnations map[string]uint64
	presenceAway bool

	busMu   sync.RWMutex
	buses   map[string]*Bus // those that are open
	foreign []*Foreign      // replaced, never changed
	busAway bool
}

// holder is a node that holds sessions.
type holder struct {
	cluster.Sessions
	number   uint64 // grows from one to the next, stands in cursors
	node     cluster.Node
	presence *Presence // nil for a node of the reference
}

// NewHub returns a cluster without nodes.
func NewHub() *Hub {
	h := &Hub{
		seed:         maphash.MakeSeed(),
		incarnations: make(map[string]uint64),
		buses:        make(map[string]*Bus),
	}
	h.outboxMax.Store(outboxLimit)
	return h
}

// New returns what a gateway uses that is alone. Both tell that they are not shared.
func New() (*Presence, *Bus) {
	h := NewHub()
	h.lone = true
	return h.Presence(), h.Bus()
}

// Presence returns one more presence, for one node.
func (h *Hub) Presence() *Presence {
	return &Presence{hub: h, lost: make(chan struct{})}
}

// Bus returns one more bus, for one node.
func (h *Hub) Bus() *Bus {
	return newBus(h)
}

// SetPresenceAway makes the presences behave as if the server behind them was not
// reached: everything that would ask it fails with an error that wraps
// [cluster.ErrAway]. Members and Mixed go on with what was seen last.
func (h *Hub) SetPresenceAway(away bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.presenceAway = away
}

// SetBusAway makes the buses behave as if the broker was not reached: nothing is
// delivered, what is published waits in the outboxes until the broker is back or
// the bus is closed, and Open fails. A handler that runs is not interrupted.
func (h *Hub) SetBusAway(away bool) {
	h.busMu.Lock()
	defer h.busMu.Unlock()
	if h.busAway && !away {
		h.reconnects.Add(1)
	}
	h.busAway = away
	for _, b := range h.buses {
		b.outgoing.hold(away)
		b.incoming.hold(away)
	}
}

// SetOutboxLimit sets how many bytes of each bus may wait for other members
// before Admit refuses more. The default is 64 MiB.
func (h *Hub) SetOutboxLimit(bytes int) {
	h.outboxMax.Store(int64(bytes))
}

// TakeOver makes the node with this id lose its registration, as if another had
// started under the same id while this one was paused: its Lost is closed, and the
// others see neither it nor its sessions. It does nothing when there is no such node.
func (h *Hub) TakeOver(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range h.holders {
		if o.presence != nil && o.node.ID == id {
			close(o.presence.lost)
			h.incarnations[id]++
			h.drop(o.number)
			return
		}
	}
}

// seen returns the holders, or an error while the presence is away.
func (h *Hub) seen() ([]holder, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.presenceAway {
		return nil, fmt.Errorf("presence: %w", cluster.ErrAway)
	}
	return h.holders, nil
}

// add gives o a number and makes it a holder. h.mu must be held.
func (h *Hub) add(o holder) uint64 {
	h.number++
	o.number = h.number
	h.holders = append(slices.Clip(h.holders), o)
	return o.number
}

// drop removes the holder with this number. h.mu must be held.
func (h *Hub) drop(number uint64) {
	h.holders = slices.DeleteFunc(slices.Clone(h.holders), func(o holder) bool { return o.number == number })
}
