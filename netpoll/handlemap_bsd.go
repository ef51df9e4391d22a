//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package netpoll

import "sync"

// handleMap keeps the handle of each watched descriptor. Any goroutine.
type handleMap struct {
	mu sync.Mutex
	m  map[int]Handle
}

func (m *handleMap) put(fd int, h Handle) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.m == nil {
		m.m = make(map[int]Handle)
	}
	m.m[fd] = h
}

func (m *handleMap) take(fd int) (Handle, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, ok := m.m[fd]
	delete(m.m, fd)
	return h, ok
}
