package server

import (
	"context"
	"errors"

	"carillon/cluster"
	"carillon/codec"
	"carillon/netpoll"
)

// handle carries out an operation of another node: one operation for each event
// loop concerned. It waits while a loop is full, so that the broker keeps what
// this node cannot take. It is a cluster.Handler.
func (l *link) handle(ctx context.Context, from string, op *cluster.Operation) error {
	s := l.srv
	var err error
	switch op.Kind {
	case cluster.PushAll, cluster.PushUsers, cluster.PushSessions:
		err = l.deliver(ctx, op)
	case cluster.KickUsers:
		err = l.feed.CloseMany(ctx, s.handlesOfUsers(op.Users), closeCode(op.Code), op.Reason, netpoll.CauseKicked)
	case cluster.KickSessions:
		err = l.feed.CloseMany(ctx, s.handlesOfSessions(op.Sessions), closeCode(op.Code), op.Reason, netpoll.CauseKicked)
	case cluster.KickAll:
		s.kickEveryone(closeCode(op.Code), op.Reason, op.Spread)
	default:
		err = errUnknownKind
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	// It would fail again: a message too long for this node's clients, or not UTF-8.
	s.stats.remoteDropped.Add(1)
	s.warn.cluster.log("operation of another node dropped", "from", from, "kind", op.Kind, "bytes", len(op.Payload), "err", err)
	return nil
}

var errUnknownKind = errors.New("unknown kind of operation")

func (l *link) deliver(ctx context.Context, op *cluster.Operation) error {
	s := l.srv
	var hs []netpoll.Handle
	switch op.Kind {
	case cluster.PushUsers:
		hs = s.handlesOfUsers(op.Users)
	case cluster.PushSessions:
		hs = s.handlesOfSessions(op.Sessions)
	}
	if op.Kind != cluster.PushAll && len(hs) == 0 {
		return nil
	}
	f, err := s.frame([]byte(op.Payload))
	if err != nil {
		return err
	}
	if op.Kind == cluster.PushAll {
		return l.feed.Broadcast(ctx, f)
	}
	return l.feed.SendMany(ctx, hs, f)
}

// handlesOfUsers returns the sessions of users; a user named twice counts once.
func (s *Server) handlesOfUsers(users []string) (hs []netpoll.Handle) {
	for _, user := range once(users) {
		hs = s.users.handles(hs, user)
	}
	return hs
}

func (s *Server) handlesOfSessions(ids []string) (hs []netpoll.Handle) {
	for _, id := range ids {
		if h, ok := s.ids.parse(id); ok {
			hs = append(hs, h)
		}
	}
	return hs
}

func closeCode(code uint16) codec.CloseCode {
	if code == 0 {
		return codec.CloseNormal
	}
	return codec.CloseCode(code)
}
