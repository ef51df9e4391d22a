package clustertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"carillon/cluster"
)

// member is what a gateway is to its Bus. It remembers what its handler has taken.
type member struct {
	cluster.Bus
	c    *buses
	self cluster.Node

	running atomic.Bool // the handler is
	closed  atomic.Bool

	mu     sync.Mutex
	got    []received
	wrong  error                                                  // what must not happen, the first of it
	refuse func(ctx context.Context, op *cluster.Operation) error // asked before an operation is taken, if set
}

// received is an operation that a handler has taken.
type received struct {
	from string
	op   cluster.Operation
}

// member returns a member that is not open. It is closed at the end of the test.
func (c *buses) member(t testing.TB, id string) *member {
	t.Helper()
	m := &member{Bus: c.New(t), c: c, self: cluster.Node{ID: id, Tag: newTag(), Incarnation: 1, Started: time.Now()}}
	t.Cleanup(func() { m.close(t) })
	return m
}

// opened returns members that are open.
func (c *buses) opened(t testing.TB, ids ...string) []*member {
	t.Helper()
	members := make([]*member, len(ids))
	for i, id := range ids {
		members[i] = c.member(t, id)
		members[i].open(t)
	}
	return members
}

func (m *member) open(t testing.TB) {
	t.Helper()
	if err := m.Open(m.c.ctx, m.self, m.handle); err != nil {
		t.Fatalf("%s: open: %v", m.self.ID, err)
	}
	Eventually(t, m.c.Patience, m.Ready)
}

func (m *member) close(t testing.TB) {
	t.Helper()
	if m.closed.Load() {
		return
	}
	ctx, cancel := within(m.c.ctx, m.c.Patience)
	defer cancel()
	if err := m.Close(ctx); err != nil {
		t.Errorf("%s: close: %v", m.self.ID, err)
	}
	m.closed.Store(true)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wrong != nil {
		t.Errorf("%s: %v", m.self.ID, m.wrong)
	}
}

// publish sends an operation that node to is to get, in the next of the three ways
// as i goes on.
func (m *member) publish(i int, to string, op *cluster.Operation, done func(error)) {
	switch i % 3 {
	case 0:
		m.Send(to, op, done)
	case 1:
		m.Broadcast(op, done)
	case 2:
		m.SendAll(op, done)
	}
}

func (m *member) handle(ctx context.Context, from string, op *cluster.Operation) error {
	if !m.running.CompareAndSwap(false, true) {
		m.isWrong(errors.New("the handler was called while it was running"))
	}
	defer m.running.Store(false)
	if m.closed.Load() {
		m.isWrong(errors.New("the handler was called after the end of Close"))
	}
	if from == m.self.ID {
		m.isWrong(fmt.Errorf("it got an operation of its own: %v", brief(op)))
	}
	m.mu.Lock()
	refuse := m.refuse
	m.mu.Unlock()
	if refuse != nil {
		if err := refuse(ctx, op); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.got = append(m.got, received{from, *op})
	return nil
}

func (m *member) isWrong(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wrong == nil {
		m.wrong = err
	}
}

func (m *member) refuseBy(f func(ctx context.Context, op *cluster.Operation) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = f
}

// mark is how the payloads begin by which the suite sees how far a member is.
const mark = "mark "

// taken returns what the member has taken so far, without marks.
func (m *member) taken() []received {
	m.mu.Lock()
	defer m.mu.Unlock()
	var taken []received
	for _, r := range m.got {
		if !strings.HasPrefix(r.op.Payload, mark) {
			taken = append(taken, r)
		}
	}
	return taken
}

func (m *member) hasTaken(payload string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.got {
		if r.op.Payload == payload {
			return true
		}
	}
	return false
}

// settle waits until every member has taken everything that the others have
// published before: a mark of each arrives after it. Publications whose order is
// not that of the caller must be confirmed before.
func (c *buses) settle(t testing.TB, members ...*member) {
	t.Helper()
	marks := make(map[*member][]string)
	for _, from := range members {
		for _, to := range members {
			if from == to {
				continue
			}
			c.marks++
			m := fmt.Sprintf("%s%d from %s", mark, c.marks, from.self.ID)
			marks[to] = append(marks[to], m)
			from.Send(to.self.ID, &cluster.Operation{Kind: cluster.PushAll, Payload: m}, nil)
		}
	}
	Eventually(t, c.Patience, func() error {
		for to, all := range marks {
			for _, m := range all {
				if !to.hasTaken(m) {
					return fmt.Errorf("%s has not got %q, after %d others", to.self.ID, m, len(to.taken()))
				}
			}
		}
		return nil
	})
}

// results collects what is said of publications.
type results struct {
	mu    sync.Mutex
	calls map[string][]error
}

// of returns the function to publish something with under a name.
func (r *results) of(name string) func(error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls == nil {
		r.calls = make(map[string][]error)
	}
	r.calls[name] = nil
	return func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.calls[name] = append(r.calls[name], err)
	}
}

// are returns nil when done was called exactly once for each publication, with want.
func (r *results) are(want error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, errs := range r.calls {
		switch {
		case len(errs) != 1:
			return fmt.Errorf("%s: done was called %d times: %v", name, len(errs), errs)
		case !errors.Is(errs[0], want):
			return fmt.Errorf("%s: got %v, want %v", name, errs[0], want)
		}
	}
	return nil
}
