package server

import (
	"net"
	"sync"
	"time"

	"carillon/codec"
	"carillon/netpoll"
)

// gate is the Server as the reactor sees it. Its methods run on event loops.
type gate struct{ srv *Server }

var _ netpoll.Handler = (*gate)(nil)

// rejectJoining sends a client elsewhere while this node is not in the cluster:
// pushes for it would not arrive.
var rejectJoining = codec.NewRejection(503, "this node is still joining the cluster", [2]string{"Retry-After", "2"})

// tokenRooms hold tokens while they are verified; on a stack they could not be
// given to a Verifier.
var tokenRooms = sync.Pool{New: func() any { return new([512]byte) }}

// Authenticate turns the token of a handshake into a user. Loop only.
func (g *gate) Authenticate(c *netpoll.Conn, r *codec.Request) (expires time.Time, rej *codec.Rejection) {
	s := g.srv
	if s.cfg.WebSocket.Echo {
		return time.Time{}, nil
	}
	if !s.link.admits() {
		s.stats.early.Add(1)
		return time.Time{}, rejectJoining
	}
	room := tokenRooms.Get().(*[512]byte)
	defer tokenRooms.Put(room)
	token, ok := r.Token(room[:0])
	if !ok {
		s.stats.refused.Add(1)
		return time.Time{}, codec.RejectUnauthorized
	}
	id, err := s.verifier.Verify(token)
	if err != nil {
		s.stats.refused.Add(1)
		s.warn.refused.log("handshake refused", "err", err)
		return time.Time{}, codec.RejectUnauthorized
	}
	c.Data = &session{user: id.User}
	return id.Expires, nil
}

// Open registers the session. Loop only.
func (g *gate) Open(c *netpoll.Conn) {
	if ss, ok := c.Data.(*session); ok {
		ss.handle = c.Handle()
		g.srv.users.add(ss)
		g.srv.link.presence.Connect(ss.user, g.srv.ids.of(ss.handle))
	}
}

// Closed unregisters the session. Loop only.
func (g *gate) Closed(c *netpoll.Conn, why netpoll.Cause) {
	if ss, ok := c.Data.(*session); ok {
		g.srv.users.remove(ss)
		g.srv.link.presence.Disconnect(ss.user, g.srv.ids.of(ss.handle))
	}
	if why == netpoll.CauseSlowConsumer {
		g.srv.warn.slow.log("slow consumer closed")
	}
}

// HTTP gives a connection to the HTTP server. Loop only.
func (g *gate) HTTP(nc net.Conn) bool { return g.srv.web.offer(nc) }
