package gateway

import "sync"

// Members are the connections that are pushed to, all and by user. Any
// goroutine may use them.
type Members[C comparable] struct {
	mu    sync.RWMutex
	all   map[C]struct{}
	users map[string]map[C]struct{}
}

// NewMembers returns nobody.
func NewMembers[C comparable]() *Members[C] {
	return &Members[C]{all: make(map[C]struct{}), users: make(map[string]map[C]struct{})}
}

// Join adds a connection of a user.
func (m *Members[C]) Join(user string, c C) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all[c] = struct{}{}
	if m.users[user] == nil {
		m.users[user] = make(map[C]struct{})
	}
	m.users[user][c] = struct{}{}
}

// Leave removes it. When Leave has returned, no call of Each or Of has it in hand.
func (m *Members[C]) Leave(user string, c C) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, c)
	delete(m.users[user], c)
	if len(m.users[user]) == 0 {
		delete(m.users, user)
	}
}

// Each calls send for all connections. It must not block, and not join or leave.
func (m *Members[C]) Each(send func(C)) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for c := range m.all {
		send(c)
	}
}

// Of calls send for those of a user, as Each does.
func (m *Members[C]) Of(user string, send func(C)) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for c := range m.users[user] {
		send(c)
	}
}
