package server

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"carillon/netpoll"
)

// userIndex finds the sessions of a user. Pushes look things up from any
// goroutine while the loops add and remove, so it is sharded by the hash of the
// user; a lock is held for one map access. Any goroutine.
type userIndex struct {
	seed     maphash.Seed
	shards   [userShards]userShard
	users    atomic.Int64
	sessions atomic.Int64
}

const userShards = 128

type userShard struct {
	mu sync.RWMutex
	m  map[string]userEntry
	_  [96]byte // shards on cache lines of their own
}

// userEntry holds the only session of most users without another allocation.
type userEntry struct {
	one  netpoll.Handle
	more *[]netpoll.Handle // the second and further sessions
}

func newUserIndex() *userIndex {
	x := &userIndex{seed: maphash.MakeSeed()}
	for i := range x.shards {
		x.shards[i].m = make(map[string]userEntry)
	}
	return x
}

func (x *userIndex) shard(user string) *userShard {
	return &x.shards[maphash.String(x.seed, user)%userShards]
}

func (x *userIndex) add(user string, h netpoll.Handle) {
	x.sessions.Add(1)
	s := x.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.m[user]
	switch {
	case !ok:
		e.one = h
		x.users.Add(1)
	case e.more == nil:
		e.more = &[]netpoll.Handle{h}
	default:
		*e.more = append(*e.more, h)
	}
	s.m[user] = e
}

func (x *userIndex) remove(user string, h netpoll.Handle) {
	s := x.shard(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.m[user]
	if !ok {
		return
	}
	switch {
	case e.one == h && e.more == nil:
		delete(s.m, user)
		x.users.Add(-1)
		x.sessions.Add(-1)
		return
	case e.one == h:
		e.one = (*e.more)[0]
		*e.more = slices.Delete(*e.more, 0, 1)
	case e.more == nil:
		return
	default:
		i := slices.Index(*e.more, h)
		if i < 0 {
			return
		}
		*e.more = slices.Delete(*e.more, i, i+1)
	}
	if len(*e.more) == 0 {
		e.more = nil
	}
	s.m[user] = e
	x.sessions.Add(-1)
}

// single returns the session of a user that has exactly one; n is how many the
// user has. It does not allocate.
func (x *userIndex) single(user string) (h netpoll.Handle, n int) {
	s := x.shard(user)
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.m[user]
	switch {
	case !ok:
		return 0, 0
	case e.more == nil:
		return e.one, 1
	default:
		return e.one, 1 + len(*e.more)
	}
}

// handles appends the sessions of a user to dst.
func (x *userIndex) handles(dst []netpoll.Handle, user string) []netpoll.Handle {
	s := x.shard(user)
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.m[user]
	if !ok {
		return dst
	}
	dst = append(dst, e.one)
	if e.more != nil {
		dst = append(dst, *e.more...)
	}
	return dst
}

// all appends every user to dst, in no order.
func (x *userIndex) all(dst []string) []string {
	for i := range x.shards {
		s := &x.shards[i]
		s.mu.RLock()
		for user := range s.m {
			dst = append(dst, user)
		}
		s.mu.RUnlock()
	}
	return dst
}

// list returns a shard's sessions as pairs of user and handle.
func (s *userShard) list() (out []userHandle) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out = make([]userHandle, 0, len(s.m))
	for user, e := range s.m {
		out = append(out, userHandle{user, e.one})
		if e.more != nil {
			for _, h := range *e.more {
				out = append(out, userHandle{user, h})
			}
		}
	}
	return out
}

type userHandle struct {
	user   string
	handle netpoll.Handle
}
