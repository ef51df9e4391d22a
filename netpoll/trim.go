package netpoll

import "slices"

// A storm of connections leaves arrays behind that are as long as it was high,
// some 50 bytes a slot, and whose slots cannot move: handles name them. What lies
// above the last connection is given back.

const (
	// trimSlots is the length up to which the arrays of a shard are kept.
	trimSlots = 1024
	// keptList is the capacity up to which an empty list of connections is kept.
	keptList = 4096
	// keptQueues is how many pooled queues a shard keeps while nobody is blocked.
	keptQueues = 64
)

// trim gives back memory that the shard needed once and does not need now. It is
// run once a tick, at the end of a slice, when no list but lost has a connection
// that is gone, whose slot may be among those taken away. It looks at little
// unless there is something to give.
func (s *Shard) trim() {
	s.trimSlots()
	s.trimLogs()
	for _, list := range []*[]*Conn{&s.doomed, &s.lost, &s.blocked, &s.dirty} {
		if len(*list) == 0 && cap(*list) > keptList {
			*list = nil
		}
	}
	if len(s.blocked) == 0 && len(s.outPool) > keptQueues {
		s.outPool = slices.Clone(s.outPool[:keptQueues])
	}
}

// trimSlots shortens the arrays when less than a quarter of the slots is in use.
func (s *Shard) trimSlots() {
	n := len(s.conns)
	if n <= trimSlots || n-len(s.free) >= n/4 || s.lap.active || s.drain.active {
		return
	}
	used := n
	for used > 0 && s.conns[used-1] == nil {
		used--
	}
	// The lowest free slot is taken next, so that the higher ones become free.
	slices.SortFunc(s.free, func(a, b uint32) int { return int(b) - int(a) })
	if used > n/2 {
		return
	}
	for _, gen := range s.gens[used:] {
		s.firstGen = max(s.firstGen, gen) // a slot that comes back has a new generation
	}
	above, _ := slices.BinarySearchFunc(s.free, uint32(used), func(slot, used uint32) int {
		if slot >= used {
			return -1
		}
		return 1
	})
	s.free = slices.Clone(s.free[above:])
	s.conns = slices.Clone(s.conns[:used])
	s.gens = slices.Clone(s.gens[:used])
	s.hot = slices.Clone(s.hot[:used])
	s.wheel.shrink(used)
}

// trimLogs gives back the rings of logs that a whole tick did without and that
// nobody has to read.
func (s *Shard) trimLogs() {
	for k := range s.logs {
		l := &s.logs[k]
		if l.head == s.quietHead[k] && !s.lap.active && len(s.blocked) == 0 && len(l.buf) > logStart {
			l.buf = nil
		}
		s.quietHead[k] = l.head
	}
}
