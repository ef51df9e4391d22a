package server

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"carillon/netpoll"
)

// userIndex finds the sessions of a user. Pushes look things up from any
// goroutine while the loops add and remove, so it is sharded by the hash of the
// user; a lock is held for the length of one bucket. Any goroutine.
type userIndex struct {
	seed     maphash.Seed
	shards   [userShards]userShard
	users    atomic.Int64
	sessions atomic.Int64
}

const (
	userShardBits = 7
	userShards    = 1 << userShardBits
)

// userShard is a hash table whose buckets are lists through the sessions
// themselves: 8 to 16 bytes a session beside its two links, where a map of users
// takes 40 to 80 and never gives them back.
type userShard struct {
	mu       sync.RWMutex
	buckets  []*session // their number is a power of two, or none
	sessions int
	_        [72]byte // shards on cache lines of their own
}

// minBuckets is the size that a table does not shrink below.
const minBuckets = 8

func newUserIndex() *userIndex { return &userIndex{seed: maphash.MakeSeed()} }

// find returns the shard of a user and the hash that names the bucket there.
func (x *userIndex) find(user string) (s *userShard, hash uint64) {
	hash = maphash.String(x.seed, user)
	return &x.shards[hash%userShards], hash >> userShardBits
}

// bucket returns the list that a hash belongs to; there is one.
func (s *userShard) bucket(hash uint64) **session {
	return &s.buckets[hash&uint64(len(s.buckets)-1)]
}

// first returns a session of user, nil when there is none. s.mu is held.
func (s *userShard) first(user string, hash uint64) *session {
	if len(s.buckets) == 0 {
		return nil
	}
	return (*s.bucket(hash)).sameUser(user)
}

// sameUser returns the first session of user in a list that begins with ss.
func (ss *session) sameUser(user string) *session {
	for ; ss != nil; ss = ss.next {
		if ss.user == user {
			return ss
		}
	}
	return nil
}

// add makes a session known, once.
func (x *userIndex) add(ss *session) {
	x.sessions.Add(1)
	s, hash := x.find(ss.user)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions++; s.sessions > len(s.buckets) {
		x.resize(s, max(minBuckets, 2*len(s.buckets)))
	}
	if s.first(ss.user, hash) == nil {
		x.users.Add(1)
	}
	ss.link(s.bucket(hash))
}

// link puts a session at the front of a bucket.
func (ss *session) link(bucket **session) {
	ss.prev, ss.next = nil, *bucket
	if ss.next != nil {
		ss.next.prev = ss
	}
	*bucket = ss
}

// remove forgets a session; one that is not known is left alone.
func (x *userIndex) remove(ss *session) {
	s, hash := x.find(ss.user)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.buckets) == 0 {
		return
	}
	bucket := s.bucket(hash)
	switch {
	case ss.prev != nil:
		ss.prev.next = ss.next
	case *bucket == ss:
		*bucket = ss.next
	default:
		return
	}
	if ss.next != nil {
		ss.next.prev = ss.prev
	}
	ss.prev, ss.next = nil, nil
	x.sessions.Add(-1)
	if (*bucket).sameUser(ss.user) == nil {
		x.users.Add(-1)
	}
	if s.sessions--; s.sessions < len(s.buckets)/4 && len(s.buckets) > minBuckets {
		x.resize(s, len(s.buckets)/2)
	}
}

// resize gives a shard n buckets. s.mu is held.
func (x *userIndex) resize(s *userShard, n int) {
	old := s.buckets
	s.buckets = make([]*session, n)
	for _, ss := range old {
		for ss != nil {
			next := ss.next
			_, hash := x.find(ss.user)
			ss.link(s.bucket(hash))
			ss = next
		}
	}
}

// single returns a session of a user, and how many the user has. It does not
// allocate.
func (x *userIndex) single(user string) (h netpoll.Handle, n int) {
	s, hash := x.find(user)
	s.mu.RLock()
	defer s.mu.RUnlock()
	for ss := s.first(user, hash); ss != nil; ss = ss.next.sameUser(user) {
		h = ss.handle
		n++
	}
	return h, n
}

// handles appends the sessions of a user to dst.
func (x *userIndex) handles(dst []netpoll.Handle, user string) []netpoll.Handle {
	s, hash := x.find(user)
	s.mu.RLock()
	defer s.mu.RUnlock()
	for ss := s.first(user, hash); ss != nil; ss = ss.next.sameUser(user) {
		dst = append(dst, ss.handle)
	}
	return dst
}

// all appends every user to dst, in no order.
func (x *userIndex) all(dst []string) []string {
	for i := range x.shards {
		s := &x.shards[i]
		s.mu.RLock()
		for _, ss := range s.buckets {
			// A user is listed with the last of its sessions.
			for ; ss != nil; ss = ss.next {
				if ss.next.sameUser(ss.user) == nil {
					dst = append(dst, ss.user)
				}
			}
		}
		s.mu.RUnlock()
	}
	return dst
}

// list returns a shard's sessions as pairs of user and handle.
func (s *userShard) list() []userHandle {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]userHandle, 0, s.sessions)
	for _, ss := range s.buckets {
		for ; ss != nil; ss = ss.next {
			out = append(out, userHandle{ss.user, ss.handle})
		}
	}
	return out
}

type userHandle struct {
	user   string
	handle netpoll.Handle
}
