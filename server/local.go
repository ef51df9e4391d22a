package server

import "carillon/cluster"

// localSessions is this node's sessions as its Presence reads them.
type localSessions struct{ srv *Server }

var _ cluster.Sessions = localSessions{}

// Scan visits one shard of the user index for each call.
func (l localSessions) Scan(cursor uint64, f func(user string, id cluster.SessionID)) (next uint64) {
	x := l.srv.users
	if cursor >= uint64(len(x.shards)) {
		return 0
	}
	for _, uh := range x.shards[cursor].list() {
		f(uh.user, l.srv.ids.of(uh.handle))
	}
	if next = cursor + 1; next == uint64(len(x.shards)) {
		return 0
	}
	return next
}

func (l localSessions) CountOf(user string) int {
	_, n := l.srv.users.single(user)
	return n
}

func (l localSessions) Len() (users, sessions int) {
	return int(l.srv.users.users.Load()), int(l.srv.users.sessions.Load())
}
