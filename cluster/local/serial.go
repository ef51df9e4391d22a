package local

import (
	"context"
	"sync"
)

// serial handles items one after the other, in the order in which they were put,
// in a goroutine that lives while there are any.
type serial[T any] struct {
	handle func(T)

	mu      sync.Mutex
	items   []T
	first   int           // of items; those before it are handled
	held    bool          // items wait
	running bool          // the goroutine is there
	stopped bool          // nothing more is taken or handled
	idle    chan struct{} // closed when the goroutine ends; nil when nobody waits for it
}

// put adds an item. It returns false when the serial is stopped.
func (s *serial[T]) put(item T) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.items = append(s.items, item)
	s.start()
	return true
}

// hold makes items wait, or go on.
func (s *serial[T]) hold(held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
	s.start()
}

// start begins to handle items if there are any. s.mu must be held.
func (s *serial[T]) start() {
	if !s.running && s.due() {
		s.running = true
		go s.run()
	}
}

// due tells whether an item is to be handled now. s.mu must be held.
func (s *serial[T]) due() bool {
	return s.first < len(s.items) && !s.held
}

func (s *serial[T]) run() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.due() {
		item := s.take()
		s.mu.Unlock()
		s.handle(item)
		s.mu.Lock()
	}
	s.running = false
	if s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// take removes the first item. s.mu must be held.
func (s *serial[T]) take() T {
	var none T
	item := s.items[s.first]
	s.items[s.first] = none
	s.first++
	switch {
	case s.first == len(s.items) && cap(s.items) > 1024: // a burst does not keep its memory
		s.items, s.first = nil, 0
	case s.first == len(s.items):
		s.items, s.first = s.items[:0], 0
	case s.first > 64 && s.first > len(s.items)/2: // else a queue that is never empty would grow
		n := copy(s.items, s.items[s.first:])
		clear(s.items[n:])
		s.items, s.first = s.items[:n], 0
	}
	return item
}

// flush waits until everything is handled, or for the end of ctx.
func (s *serial[T]) flush(ctx context.Context) error {
	for {
		s.mu.Lock()
		if s.first == len(s.items) && !s.running {
			s.mu.Unlock()
			return nil
		}
		if s.idle == nil {
			s.idle = make(chan struct{})
		}
		idle := s.idle
		s.mu.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stop returns what is not handled and will not be. An item may still be under
// way when it returns: flush waits for it.
func (s *serial[T]) stop() []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.items[s.first:]
	s.items, s.first, s.stopped = nil, 0, true
	return left
}
