package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

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
	// ErrClosing means that the server is not running.
	ErrClosing = admin.ErrClosing
	// ErrNotText means that the message is not UTF-8 (RFC 6455 §8.1).
	ErrNotText = errors.New("message is not valid UTF-8")
)

// PushUser queues a text message for every session of a user and returns how
// many sessions that is. Pushes made one after the other arrive in their order.
// Any goroutine, handlers included; does not block.
func (s *Server) PushUser(user string, message []byte) (sessions int, err error) {
	d, err := s.pushUser(nil, user, message)
	return d.Sessions, err
}

// PushUsers is PushUser for many users; a user named twice counts once.
func (s *Server) PushUsers(users []string, message []byte) (sessions int, err error) {
	d, err := s.pushUsers(nil, users, message)
	return d.Sessions, err
}

// PushSession queues a text message for one session; an unknown id is no error.
// Any goroutine; does not block.
func (s *Server) PushSession(id string, message []byte) error {
	_, err := s.pushSession(nil, id, message)
	return err
}

// Broadcast queues a text message for every session. Any goroutine; does not block.
func (s *Server) Broadcast(message []byte) error {
	_, err := s.broadcast(nil, message)
	return err
}

// KickUser closes every session of a user with code 1000 and returns how many
// that is. Any goroutine; does not block.
func (s *Server) KickUser(user string) (sessions int, err error) {
	d, err := s.kickUser(nil, user)
	return d.Sessions, err
}

// KickSession closes one session with code 1000; an unknown id is no error.
// Any goroutine; does not block.
func (s *Server) KickSession(id string) error {
	_, err := s.kickSession(nil, id)
	return err
}

// OnlineUsers returns the ids of the users that have a session, in no order.
// Any goroutine.
func (s *Server) OnlineUsers() []string {
	return s.users.all(make([]string, 0, s.users.users.Load()))
}

// OnlineUserCount returns the number of users that have a session. Any goroutine.
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

// await waits for the loops when the caller wants exact numbers: then receipt is
// not nil.
func await(ctx context.Context, d *admin.Delivery, receipt *netpoll.Receipt) {
	if receipt == nil {
		return
	}
	n, err := receipt.Wait(ctx)
	d.Sessions = n
	d.Complete = err == nil
}

// receiptFor makes a receipt when ctx says that somebody waits for it.
func receiptFor(ctx context.Context) *netpoll.Receipt {
	if ctx == nil {
		return nil
	}
	return netpoll.NewReceipt()
}

// The functions below carry out pushes for the exported methods, which pass no
// ctx and do not wait, and for the HTTP endpoints.

func (s *Server) pushUser(ctx context.Context, user string, message []byte) (d admin.Delivery, err error) {
	if !s.running.Load() {
		return d, ErrClosing
	}
	f, err := s.frame(message)
	if err != nil {
		return d, err
	}
	receipt := receiptFor(ctx)
	h, n := s.users.single(user)
	if n <= 1 {
		err = s.reactor.Send(h, f, receipt)
	} else {
		hs := s.users.handles(make([]netpoll.Handle, 0, n), user)
		err = s.reactor.SendMany(hs, f, receipt)
	}
	if err != nil {
		return d, pushError(err)
	}
	d.Sessions = n
	s.who(&d, n, user)
	await(ctx, &d, receipt)
	return d, nil
}

func (s *Server) who(d *admin.Delivery, sessions int, user string) {
	if sessions > 0 {
		d.Users++
	} else {
		d.Offline = append(d.Offline, user)
	}
}

func (s *Server) pushUsers(ctx context.Context, users []string, message []byte) (d admin.Delivery, err error) {
	if !s.running.Load() {
		return d, ErrClosing
	}
	f, err := s.frame(message)
	if err != nil {
		return d, err
	}
	if len(users) > 1 {
		users = slices.Clone(users)
		slices.Sort(users)
		users = slices.Compact(users)
	}
	var hs []netpoll.Handle
	for _, user := range users {
		before := len(hs)
		hs = s.users.handles(hs, user)
		s.who(&d, len(hs)-before, user)
	}
	d.Sessions = len(hs)
	receipt := receiptFor(ctx)
	if err := s.reactor.SendMany(hs, f, receipt); err != nil {
		return admin.Delivery{}, pushError(err)
	}
	await(ctx, &d, receipt)
	return d, nil
}

func (s *Server) pushSession(ctx context.Context, id string, message []byte) (d admin.Delivery, err error) {
	if !s.running.Load() {
		return d, ErrClosing
	}
	f, err := s.frame(message)
	if err != nil {
		return d, err
	}
	receipt := receiptFor(ctx)
	h, _ := s.ids.parse(id)
	if err := s.reactor.Send(h, f, receipt); err != nil {
		return d, pushError(err)
	}
	await(ctx, &d, receipt)
	return d, nil
}

func (s *Server) broadcast(ctx context.Context, message []byte) (d admin.Delivery, err error) {
	if !s.running.Load() {
		return d, ErrClosing
	}
	f, err := s.frame(message)
	if err != nil {
		return d, err
	}
	receipt := receiptFor(ctx)
	if err := s.reactor.Broadcast(f, receipt); err != nil {
		return d, pushError(err)
	}
	await(ctx, &d, receipt)
	return d, nil
}

func (s *Server) kickUser(ctx context.Context, user string) (d admin.Delivery, err error) {
	if !s.running.Load() {
		return d, ErrClosing
	}
	hs := s.users.handles(nil, user)
	receipt := receiptFor(ctx)
	if err := s.reactor.CloseMany(hs, codec.CloseNormal, "", netpoll.CauseKicked, receipt); err != nil {
		return d, pushError(err)
	}
	d.Sessions = len(hs)
	s.who(&d, len(hs), user)
	await(ctx, &d, receipt)
	return d, nil
}

func (s *Server) kickSession(ctx context.Context, id string) (d admin.Delivery, err error) {
	if !s.running.Load() {
		return d, ErrClosing
	}
	h, _ := s.ids.parse(id)
	receipt := receiptFor(ctx)
	if err := s.reactor.Close(h, codec.CloseNormal, "", netpoll.CauseKicked, receipt); err != nil {
		return d, pushError(err)
	}
	await(ctx, &d, receipt)
	return d, nil
}

// endpoints is the Server as the HTTP endpoints see it.
type endpoints struct{ *Server }

var _ admin.Gateway = endpoints{}

// waiting returns ctx when the caller wants exact numbers.
func waiting(ctx context.Context, wait bool) context.Context {
	if wait {
		return ctx
	}
	return nil
}

func (e endpoints) PushUser(ctx context.Context, user string, message []byte, wait bool) (admin.Delivery, error) {
	return e.pushUser(waiting(ctx, wait), user, message)
}

func (e endpoints) PushUsers(ctx context.Context, users []string, message []byte, wait bool) (admin.Delivery, error) {
	return e.pushUsers(waiting(ctx, wait), users, message)
}

func (e endpoints) PushSession(ctx context.Context, id string, message []byte, wait bool) (admin.Delivery, error) {
	return e.pushSession(waiting(ctx, wait), id, message)
}

func (e endpoints) Broadcast(ctx context.Context, message []byte, wait bool) (admin.Delivery, error) {
	return e.broadcast(waiting(ctx, wait), message)
}

func (e endpoints) KickUser(ctx context.Context, user string, wait bool) (admin.Delivery, error) {
	return e.kickUser(waiting(ctx, wait), user)
}

func (e endpoints) KickSession(ctx context.Context, id string, wait bool) (admin.Delivery, error) {
	return e.kickSession(waiting(ctx, wait), id)
}

// CheckHeartbeats judges the deadlines of this node's connections now; the loops
// do so by themselves all the time.
func (e endpoints) CheckHeartbeats(ctx context.Context) (d admin.Delivery, err error) {
	if !e.running.Load() {
		return d, ErrClosing
	}
	receipt := netpoll.NewReceipt()
	if err := e.reactor.CheckDeadlines(receipt); err != nil {
		return d, pushError(err)
	}
	await(ctx, &d, receipt)
	return d, nil
}
