package server

import (
	"context"
	"sync"
	"sync/atomic"
)

// mailbox keeps the messages of one session that wait for a handler, so that
// they are handled in their order, by one worker at a time.
type mailbox struct {
	mu     sync.Mutex
	jobs   []job
	queued bool // a worker has it or will get it
}

// job is one message for one handler.
type job struct {
	handler *handler
	session Session
	buf     *[]byte // pooled copy of data
	hasData bool
}

// workers is the bounded pool on which blocking handlers run. Mailboxes with
// work stand in a queue; a worker takes one job of the first and puts the rest
// back at the end, so a session with many messages does not hold up the others.
// A worker is started when one is needed and ends when enough others wait: a
// gateway whose clients only listen has none.
type workers struct {
	run     func(context.Context, *job)
	perConn int
	backlog int64

	pending atomic.Int64 // jobs in all mailboxes
	mu      sync.Mutex
	ready   sync.Cond
	line    []*mailbox
	first   int
	closed  bool
	done    sync.WaitGroup

	ctx           context.Context
	most, running int
	idle          int // workers that wait and have not been signalled
}

// spareWorkers is how many workers stay when there is nothing to do: a message
// now and then starts none.
const spareWorkers = 4

func newWorkers(perConn, backlog int, run func(context.Context, *job)) *workers {
	w := &workers{run: run, perConn: perConn, backlog: int64(backlog)}
	w.ready.L = &w.mu
	return w
}

// start lets up to n workers work; their handlers are given ctx.
func (w *workers) start(ctx context.Context, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ctx, w.most = ctx, n
	for range len(w.line) - w.first {
		w.wake()
	}
}

// wake has a worker look at the line; w.mu is held.
func (w *workers) wake() {
	switch {
	case w.idle > 0:
		w.idle--
		w.ready.Signal()
	case w.running < w.most && !w.closed:
		w.running++
		w.done.Go(func() { w.work(w.ctx) })
	}
}

// put queues a job; false means that the session's or the pool's bound is
// reached. It does not block. Any goroutine.
func (w *workers) put(m *mailbox, j job) bool {
	if w.pending.Add(1) > w.backlog {
		w.pending.Add(-1)
		return false
	}
	m.mu.Lock()
	if len(m.jobs) >= w.perConn {
		m.mu.Unlock()
		w.pending.Add(-1)
		return false
	}
	m.jobs = append(m.jobs, j)
	queued := m.queued
	m.queued = true
	m.mu.Unlock()
	if !queued {
		w.enqueue(m)
	}
	return true
}

func (w *workers) enqueue(m *mailbox) {
	w.mu.Lock()
	w.line = append(w.line, m)
	w.wake()
	w.mu.Unlock()
}

func (w *workers) work(ctx context.Context) {
	for {
		m := w.next()
		if m == nil {
			return
		}
		m.mu.Lock()
		j := m.jobs[0]
		m.jobs[0] = job{}
		m.jobs = m.jobs[1:]
		m.mu.Unlock()

		w.run(ctx, &j)
		w.pending.Add(-1)

		m.mu.Lock()
		more := len(m.jobs) > 0
		if !more {
			m.jobs = nil // a session at rest holds no queue
			m.queued = false
		}
		m.mu.Unlock()
		if more {
			w.enqueue(m)
		}
	}
}

// next waits for a mailbox with work; nil means that the worker ends, because the
// pool is closed or enough others wait, and no mailbox stands in line. One that
// another worker holds goes back to that one.
func (w *workers) next() *mailbox {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.first == len(w.line) {
		if w.closed || w.idle >= spareWorkers {
			w.running--
			return nil
		}
		w.idle++
		w.ready.Wait()
	}
	m := w.line[w.first]
	w.line[w.first] = nil
	w.first++
	if w.first == len(w.line) {
		w.line, w.first = w.line[:0], 0
	} else if w.first > 1024 && w.first > len(w.line)/2 {
		w.line, w.first = append(w.line[:0], w.line[w.first:]...), 0
	}
	return m
}

// close lets the workers finish what is queued and end; it waits for them until
// ctx ends.
func (w *workers) close(ctx context.Context) error {
	w.mu.Lock()
	w.closed = true
	w.idle = 0 // all of them are woken
	w.mu.Unlock()
	w.ready.Broadcast()
	ended := make(chan struct{})
	go func() {
		w.done.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
