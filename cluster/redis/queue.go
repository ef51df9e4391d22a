package redis

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"carillon/cluster"
)

// kind is what a change does with a session.
type kind uint8

const (
	come  kind = iota // the session has come
	gone              // the session has gone
	check             // no session: what is written about the user is to be written again
)

// change is one thing to write. The number of the user's sessions is not in it: it
// is looked up when it is written.
type change struct {
	user string
	id   cluster.SessionID
	kind kind
}

// queueShards is how many event loops can note changes without waiting for one
// another; a power of two.
const queueShards = 16

// queueKept is how many changes a shard keeps memory for: more after a long fault
// only.
const queueKept = 1 << 14

// queue holds the changes that wait to be written. It keeps the order of those of a
// session, which is all that matters. Its memory is used again and again.
type queue struct {
	shards [queueShards]struct {
		sync.Mutex
		changes []change
		_       [32]byte // a cache line each
	}
	taken [queueShards]struct { // the consumer's
		changes []change
		head    int
	}
	first    int
	max      int64
	waiting  atomic.Int64
	noted    atomic.Uint64 // changes put
	settled  atomic.Uint64 // of them, those written or dropped
	overflow atomic.Bool   // a change was dropped
	asleep   atomic.Bool
	wake     chan struct{}
}

func newQueue(max int) *queue {
	return &queue{max: int64(max), wake: make(chan struct{}, 1)}
}

// put adds a change, unless the queue is full. Any goroutine.
func (q *queue) put(c change) {
	if q.waiting.Add(1) > q.max {
		q.waiting.Add(-1)
		q.overflow.Store(true)
		q.rouse()
		return
	}
	// The last bytes of an id are random.
	s := &q.shards[binary.LittleEndian.Uint32(c.id[12:])%queueShards]
	s.Lock()
	s.changes = append(s.changes, c)
	s.Unlock()
	q.noted.Add(1)
	q.rouse()
}

// rouse wakes the consumer if it sleeps. Any goroutine.
func (q *queue) rouse() {
	if q.asleep.Load() && q.asleep.CompareAndSwap(true, false) {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
}

// take appends changes to dst until it has limit of them or there are no more.
// Consumer only.
func (q *queue) take(dst []change, limit int) []change {
	// Beginning elsewhere each time, so that no shard waits for the others for ever.
	q.first++
	for i := range q.shards {
		i = (i + q.first) % queueShards
		t := &q.taken[i]
		if t.head == len(t.changes) {
			if cap(t.changes) > queueKept {
				t.changes = nil
			}
			s := &q.shards[i]
			s.Lock()
			t.changes, s.changes = s.changes, t.changes[:0]
			s.Unlock()
			t.head = 0
		}
		n := min(len(t.changes)-t.head, limit-len(dst))
		part := t.changes[t.head : t.head+n]
		dst = append(dst, part...)
		clear(part) // lets go of the users' names
		t.head += n
		q.waiting.Add(-int64(n))
		if len(dst) == limit {
			break
		}
	}
	return dst
}

// drop forgets everything. Consumer only.
func (q *queue) drop() {
	q.overflow.Store(false)
	for i := range q.shards {
		s, t := &q.shards[i], &q.taken[i]
		s.Lock()
		n := len(s.changes) + len(t.changes) - t.head
		s.changes, t.changes, t.head = nil, nil, 0
		s.Unlock()
		q.settled.Add(uint64(n))
		q.waiting.Add(-int64(n))
	}
}

// sleep tells that the consumer is going to wait for wake, and whether it may: not
// when something has come meanwhile. Consumer only.
func (q *queue) sleep() bool {
	q.asleep.Store(true)
	if q.waiting.Load() > 0 || q.overflow.Load() {
		q.asleep.Store(false)
		return false
	}
	return true
}

// kick wakes the consumer for something that is not in the queue. Any goroutine.
func (q *queue) kick() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
