package faulty

import "sync"

// registry knows the open connections, all and by user.
type registry struct {
	mu    sync.RWMutex
	conns map[*conn]struct{}
	users map[string][]*conn

	// order is held while one message is given to many connections, so that all
	// get several messages in the same order.
	order sync.Mutex
}

func (r *registry) init() {
	r.conns, r.users = make(map[*conn]struct{}), make(map[string][]*conn)
}

func (r *registry) add(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[c] = struct{}{}
	if c.user != "" {
		r.users[c.user] = append(r.users[c.user], c)
	}
}

func (r *registry) remove(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	all := r.users[c.user]
	for i, other := range all {
		if other == c {
			all[i] = all[len(all)-1]
			all[len(all)-1] = nil
			all = all[:len(all)-1]
			break
		}
	}
	if len(all) == 0 {
		delete(r.users, c.user)
	} else {
		r.users[c.user] = all
	}
}

// each calls fn for every connection; fn does not block.
func (r *registry) each(fn func(*conn)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for c := range r.conns {
		fn(c)
	}
}

// of calls fn for every connection of a user.
func (r *registry) of(user string, fn func(*conn)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, c := range r.users[user] {
		fn(c)
	}
}
