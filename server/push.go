package server

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"carillon/cluster"
	"carillon/codec"
	"carillon/netpoll"
	"carillon/server/admin"
)

// What a push or a kick can answer. The HTTP endpoints answer 413, 503, 503 and
// 400 for them.
var (
	// ErrTooLarge means that the message is over websocket.max-outbound-bytes.
	ErrTooLarge = admin.ErrTooLarge
	// ErrBusy means that an event loop has as many pushes waiting as it may; the
	// message went to nobody, or, of a push to many, not to all. Try later.
	ErrBusy = admin.ErrBusy
	// ErrClosing means that the server is not running; over HTTP, that it stops.
	ErrClosing = admin.ErrClosing
	// ErrNotText means that the message is not UTF-8 (RFC 6455 §8.1).
	ErrNotText = errors.New("message is not valid UTF-8")
)

// PushUser queues a text message for every session of a user, on this node and on
// the others, and returns how many sessions of this node that is. Pushes made one
// after the other arrive in their order. [cluster.ErrOutboxFull] means that it went
// to this node alone. Any goroutine, handlers included; does not block.
func (s *Server) PushUser(user string, message []byte) (sessions int, err error) {
	d, err := s.pushUser(nil, user, message)
	if err == nil && !s.link.alone {
		err = s.forward(&route{op: cluster.Operation{Kind: cluster.PushUsers, Users: []string{user}, Payload: string(message)}})
	}
	return d.Sessions, err
}

// PushUsers is PushUser for many users; a user named twice counts once.
func (s *Server) PushUsers(users []string, message []byte) (sessions int, err error) {
	d, err := s.pushUsers(nil, users, message)
	if err == nil && len(users) > 0 && !s.link.alone {
		err = s.forward(&route{op: cluster.Operation{Kind: cluster.PushUsers, Users: once(users), Payload: string(message)}})
	}
	return d.Sessions, err
}

// PushSession queues a text message for one session, on whatever node; an unknown
// id is no error. Any goroutine; does not block.
func (s *Server) PushSession(id string, message []byte) error {
	if _, err := s.pushSession(nil, id, message); err != nil || s.link.alone || s.holds(id) {
		return err
	}
	return s.forward(&route{op: cluster.Operation{Kind: cluster.PushSessions, Sessions: []string{id}, Payload: string(message)}})
}

// Broadcast queues a text message for every session of the cluster. Any goroutine;
// does not block.
func (s *Server) Broadcast(message []byte) error {
	if _, err := s.broadcast(nil, message); err != nil || s.link.alone {
		return err
	}
	return s.forward(&route{op: cluster.Operation{Kind: cluster.PushAll, Payload: string(message)}})
}

// KickUser closes every session of a user with code 1000, on this node and on the
// others, and returns how many of this node that is. Any goroutine; does not block.
func (s *Server) KickUser(user string) (sessions int, err error) {
	d, err := s.kickUser(nil, user)
	if err == nil && !s.link.alone {
		err = s.forward(&route{op: cluster.Operation{Kind: cluster.KickUsers, Users: []string{user}}})
	}
	return d.Sessions, err
}

// KickSession closes one session with code 1000, on whatever node; an unknown id
// is no error. Any goroutine; does not block.
func (s *Server) KickSession(id string) error {
	if _, err := s.kickSession(nil, id); err != nil || s.link.alone || s.holds(id) {
		return err
	}
	return s.forward(&route{op: cluster.Operation{Kind: cluster.KickSessions, Sessions: []string{id}}})
}

// holds tells whether an id is one of this node's.
func (s *Server) holds(id string) bool {
	_, ok := s.ids.parse(id)
	return ok
}

// forward hands a route to the forwarder. A node that is alone makes no route.
func (s *Server) forward(rt *route) error {
	// Only the forwarder knows whether other nodes are concerned, so a full outbox is
	// an error even if none is.
	if err := s.link.bus.Admit(); err != nil {
		s.link.forwarder.full.Add(1)
		return err
	}
	rt.admitted = true
	return s.link.forwarder.submit(rt)
}

// OnlineUsers returns the ids of the users that have a session on this node, in no
// order. Any goroutine.
func (s *Server) OnlineUsers() []string {
	return s.users.all(make([]string, 0, s.users.users.Load()))
}

// OnlineUserCount returns the number of users that have a session on this node.
// Any goroutine.
func (s *Server) OnlineUserCount() int { return int(s.users.users.Load()) }

// SessionCount returns the number of sessions of this node. Any goroutine.
func (s *Server) SessionCount() int { return int(s.users.sessions.Load()) }

// frame encodes a message once for everyone who gets it.
func (s *Server) frame(message []byte) (*codec.Frame, error) {
	if !utf8.Valid(message) {
		return nil, ErrNotText
	}
	f := codec.NewText(message)
	if s.cfg.WebSocket.Compression {
		f.Compress(s.cfg.WebSocket.CompressionLevel, int(s.cfg.WebSocket.CompressionMinBytes))
	}
	return f, nil
}

// pushError turns the reactor's errors into ours.
func pushError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, netpoll.ErrTooLarge):
		return ErrTooLarge
	case errors.Is(err, netpoll.ErrQueueFull):
		return ErrBusy
	case errors.Is(err, netpoll.ErrStopped):
		return ErrClosing
	default:
		return fmt.Errorf("push: %w", err)
	}
}

// waiting is for callers who want exact numbers: they get a receipt from the
// loops. A nil one does not wait.
type waiting struct {
	ctx     context.Context
	receipt *netpoll.Receipt
}

func waitIf(ctx context.Context, wanted bool) *waiting {
	if !wanted {
		return nil
	}
	return &waiting{ctx, netpoll.NewReceipt()}
}

// slip is the receipt to hand to the reactor.
func (w *waiting) slip() *netpoll.Receipt {
	if w == nil {
		return nil
	}
	return w.receipt
}

// finish waits for the loops and puts what they did into d.
func (w *waiting) finish(d *admin.Delivery) {
	if w == nil {
		return
	}
	n, err := w.receipt.Wait(w.ctx)
	d.Sessions = n
	d.Complete = err == nil
}

// The functions below carry out pushes for the exported methods, which do not
// wait, and for the HTTP endpoints.

func (s *Server) pushUser(w *waiting, user string, message []byte) (d admin.Delivery, err error) {
	if !s.running.Load() {
		return d, ErrClosing
	}
	f, err := s.frame(message)
	if err != nil {
		return d, err
	}
	h, n := s.users.single(user)
	if n <= 1 {
		err = s.reactor.Send(h, f, w.slip())
	} else {
		hs := s.users.handles(make([]netpoll.Handle, 0, n), user)
		err = s.reactor.SendMany(hs, f, w.slip())
	}
	if err != nil {
		return d, pushError(err)
	}
	d.Sessions = n
	s.who(&d, n, user)
	w.finish(&d)
	return d, nil
}

func (s *Server) who(d *admin.Delivery, sessions int, user string) {
	if sessions > 0 {
		d.Users++
	} else {
		d.Offline = append(d.Offline, user)
	}
}

func (s *Server) pushUsers(w *waiting, users []string, message []byte) (d admin.Delivery, err error) {
	if !s.running.Load() {
		return d, ErrClosing
	}
	f, err := s.frame(message)
	if err != nil {
		return d, err
	}
	users = once(users)
	var hs []netpoll.Handle
	for _, user := range users {
		before := len(hs)
		hs = s.users.handles(hs, user)
		s.who(&d, len(hs)-before, user)
	}
	d.Sessions = len(hs)
	if err := s.reactor.SendMany(hs, f, w.slip()); err != nil {
		return admin.Delivery{}, pushError(err)
	}
	w.finish(&d)
	return d, nil
}

func (s *Server) pushSession(w *waiting, id string, message []byte) (d admin.Delivery, err error) {
	if !s.running.Load() {
		return d, ErrClosing
	}
	f, err := s.frame(message)
	if err != nil {
		return d, err
	}
	h, _ := s.ids.parse(id)
	if err := s.reactor.Send(h, f, w.slip()); err != nil {
		return d, pushError(err)
	}
	w.finish(&d)
	return d, nil
}

func (s *Server) broadcast(w *waiting, message []byte) (d admin.Delivery, err error) {
	if !s.running.Load() {
		return d, ErrClosing
	}
	f, err := s.frame(message)
	if err != nil {
		return d, err
	}
	if err := s.reactor.Broadcast(f, w.slip()); err != nil {
		return d, pushError(err)
	}
	w.finish(&d)
	return d, nil
}

func (s *Server) kickUser(w *waiting, user string) (d admin.Delivery, err error) {
	if !s.running.Load() {
		return d, ErrClosing
	}
	hs := s.users.handles(nil, user)
	if err := s.reactor.CloseMany(hs, codec.CloseNormal, "", netpoll.CauseKicked, w.slip()); err != nil {
		return d, pushError(err)
	}
	d.Sessions = len(hs)
	s.who(&d, len(hs), user)
	w.finish(&d)
	return d, nil
}

func (s *Server) kickSession(w *waiting, id string) (d admin.Delivery, err error) {
	if !s.running.Load() {
		return d, ErrClosing
	}
	h, _ := s.ids.parse(id)
	if err := s.reactor.Close(h, codec.CloseNormal, "", netpoll.CauseKicked, w.slip()); err != nil {
		return d, pushError(err)
	}
	w.finish(&d)
	return d, nil
}
