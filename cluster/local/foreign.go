package local

import (
	"fmt"
	"sync"

	"carillon/cluster"
)

var _ cluster.Sessions = (*Foreign)(nil)

// Foreign is a pretended node of the reference, for tests: it holds users, gets
// what is published with Broadcast and nothing else, and remembers it. A presence
// tells that the cluster is mixed while there is one.
type Foreign struct {
	hub    *Hub
	id     string
	number uint64

	mu       sync.Mutex
	sessions map[cluster.SessionID]string
	counts   map[string]int
	received []Received
}

// Received is an operation that a Foreign got.
type Received struct {
	From string
	Op   cluster.Operation
}

// Foreign adds a node of the reference to the cluster.
func (h *Hub) Foreign(id string) *Foreign {
	f := &Foreign{hub: h, id: id, sessions: make(map[cluster.SessionID]string), counts: make(map[string]int)}
	h.addForeign(f)
	h.mu.Lock()
	defer h.mu.Unlock()
	f.number = h.add(holder{Sessions: f, node: cluster.Node{ID: id}})
	return f
}

// Leave removes the node and its users from the cluster.
func (f *Foreign) Leave() {
	f.hub.dropForeign(f)
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	f.hub.drop(f.number)
}

// Connect adds a session. Any UUID will do, nodes of the reference have no tag.
func (f *Foreign) Connect(user string, id cluster.SessionID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sessions[id] = user
	f.counts[user]++
}

// Disconnect removes a session.
func (f *Foreign) Disconnect(id cluster.SessionID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	user, ok := f.sessions[id]
	if !ok {
		return
	}
	delete(f.sessions, id)
	if f.counts[user]--; f.counts[user] == 0 {
		delete(f.counts, user)
	}
}

// Broadcast publishes a PushAll or PushUsers to every carillon node, as a node of
// the reference does. While the broker is away it is lost and an error that wraps
// [cluster.ErrAway] is returned.
func (f *Foreign) Broadcast(op *cluster.Operation) error {
	f.hub.busMu.RLock()
	defer f.hub.busMu.RUnlock()
	if f.hub.busAway {
		return fmt.Errorf("bus: %w", cluster.ErrAway)
	}
	for _, b := range f.hub.buses {
		b.incoming.put(delivery{op: encode(op), from: f.id})
	}
	return nil
}

// Received returns what the node got so far.
func (f *Foreign) Received() []Received {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]Received, len(f.received))
	for i, r := range f.received {
		all[i] = Received{From: r.From, Op: *decode(&r.Op)}
	}
	return all
}

// Scan calls fn for every session.
func (f *Foreign) Scan(_ uint64, fn func(user string, id cluster.SessionID)) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, user := range f.sessions {
		fn(user, id)
	}
	return 0
}

// CountOf returns how many sessions a user has here.
func (f *Foreign) CountOf(user string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[user]
}

// Len returns how many users and sessions there are here.
func (f *Foreign) Len() (users, sessions int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.counts), len(f.sessions)
}

func (f *Foreign) record(from string, op *cluster.Operation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.received = append(f.received, Received{From: from, Op: *decode(op)})
}
