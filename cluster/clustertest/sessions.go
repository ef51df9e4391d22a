package clustertest

import (
	"crypto/rand"
	"encoding/binary"
	"sync"

	"carillon/cluster"
)

var _ cluster.Sessions = (*Sessions)(nil)

// scanned is how many slots one call of Scan looks at: few, so that listings of
// some hundred sessions take several.
const scanned = 32

// Sessions is a [cluster.Sessions] for tests. Like the index of a gateway it holds
// a lock while Scan calls its function, which must not call back.
type Sessions struct {
	tag uint32

	mu     sync.Mutex
	slots  []slot // a session keeps its slot for life, so a scan meets it once
	free   []int
	places map[cluster.SessionID]int
	counts map[string]int
}

type slot struct {
	user string
	id   cluster.SessionID
	used bool
}

// NewSessions returns an empty table for the node with this tag.
func NewSessions(tag uint32) *Sessions {
	return &Sessions{tag: tag, places: make(map[cluster.SessionID]int), counts: make(map[string]int)}
}

// NewID returns an id for a session of this node.
func (s *Sessions) NewID() cluster.SessionID {
	var id cluster.SessionID
	_, _ = rand.Read(id[:]) // never fails
	binary.BigEndian.PutUint32(id[:], s.tag)
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

// Add adds a session. A gateway does so before it tells its Presence.
func (s *Sessions) Add(user string, id cluster.SessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.places[id]; twice {
		panic("BUG: session " + id.String() + " was added twice")
	}
	at := len(s.slots)
	if n := len(s.free); n > 0 {
		at, s.free = s.free[n-1], s.free[:n-1]
	} else {
		s.slots = append(s.slots, slot{})
	}
	s.slots[at] = slot{user: user, id: id, used: true}
	s.places[id] = at
	s.counts[user]++
}

// Remove removes a session. A gateway does so before it tells its Presence.
func (s *Sessions) Remove(user string, id cluster.SessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.places[id]
	if !ok || s.slots[at].user != user {
		panic("BUG: session " + id.String() + " of that user is not here")
	}
	s.slots[at] = slot{}
	s.free = append(s.free, at)
	delete(s.places, id)
	if s.counts[user]--; s.counts[user] == 0 {
		delete(s.counts, user)
	}
}

// Scan calls f for some of the sessions.
func (s *Sessions) Scan(cursor uint64, f func(user string, id cluster.SessionID)) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := min(cursor, uint64(len(s.slots)))
	to := min(from+scanned, uint64(len(s.slots)))
	for _, o := range s.slots[from:to] {
		if o.used {
			f(o.user, o.id)
		}
	}
	if to == uint64(len(s.slots)) {
		return 0
	}
	return to
}

// CountOf returns how many sessions a user has here.
func (s *Sessions) CountOf(user string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[user]
}

// Len returns how many users and sessions there are here.
func (s *Sessions) Len() (users, sessions int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.counts), len(s.places)
}
