package rabbitmq_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// sequence publishes numbered operations from one node, over all routes, and knows
// what the others have to get.
type sequence struct {
	from *node
	to   []*node
	want map[*node][]string

	mu   sync.Mutex
	said int
	bad  error
}

func newSequence(from *node, to ...*node) *sequence {
	return &sequence{from: from, to: to, want: make(map[*node][]string)}
}

// publish publishes n more operations.
func (s *sequence) publish(n int) {
	for range n {
		i := s.published()
		op := push(strconv.Itoa(i))
		switch i % 3 {
		case 0:
			s.from.SendAll(op, s.done)
		case 1:
			s.from.Broadcast(op, s.done)
		case 2:
			to := s.to[i/3%len(s.to)]
			s.from.Send(to.id, op, s.done)
			s.want[to] = append(s.want[to], op.Payload)
			s.want[nil] = append(s.want[nil], op.Payload)
			continue
		}
		for _, to := range s.to {
			s.want[to] = append(s.want[to], op.Payload)
		}
		s.want[nil] = append(s.want[nil], op.Payload)
	}
}

func (s *sequence) published() int { return len(s.want[nil]) }

func (s *sequence) done(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said++
	if err != nil && s.bad == nil {
		s.bad = err
	}
}

// check waits until everything was confirmed and has arrived, and fails unless it
// came once and in order.
func (s *sequence) check(t testing.TB) {
	t.Helper()
	eventually(t, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.said != s.published() || s.bad != nil {
			return fmt.Errorf("%d of %d operations are confirmed, %v; %+v", s.said, s.published(), s.bad, s.from.Stats())
		}
		return nil
	})
	for _, to := range s.to {
		want := s.want[to]
		to.awaits(t, len(want))
	}
	// What came twice would be in the queues before these.
	for _, to := range s.to {
		s.from.Send(to.id, push("end"), nil)
	}
	for _, to := range s.to {
		want := s.want[to]
		got := payloads(to.awaits(t, len(want)+1))
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%s: operation %d is %q, want %q; around it %q; %+v", to.id, i, got[i], want[i], got[max(i-3, 0):min(i+3, len(got))], to.Stats())
			}
		}
		if len(got) != len(want)+1 || !strings.HasPrefix(got[len(want)], "end") {
			t.Fatalf("%s has got %d operations, want %d: %q", to.id, len(got)-1, len(want), got[len(want):])
		}
		to.mu.Lock()
		to.got = to.got[:len(want)]
		to.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
}
