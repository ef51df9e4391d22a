package admin

import (
	"context"
	"errors"
)

// Gateway is what the endpoints need from the gateway behind them. Every method may be called from any goroutine.
//
// Slices and strings: a message is valid during the call only, whoever keeps it copies it. Users and ids are the
// callee's to keep, and so is the list of users.
//
// wait says what the caller wants to know. With wait, a call returns when every event loop concerned has taken the
// operation, so that Delivery is exact, or when the context ends, with Complete false then. Without it, a call
// returns as soon as the operation is queued, and Delivery may be zero.
//
// An unknown user or session is no error: nothing is delivered. Errors are [ErrTooLarge], [ErrBusy], [ErrClosing], or
// wrap one of them; any other is logged and answered by 500, without its text.
type Gateway interface {
	// OnlineUsers returns the users that are online in the cluster, in no order. It must not block on I/O.
	OnlineUsers() []string
	// OnlineUserCount returns how many users are online in the cluster. It must not block on I/O.
	OnlineUserCount() int
	// SessionCount returns how many sessions this node holds.
	SessionCount() int

	// PushUser sends a text message to every session of one user.
	PushUser(ctx context.Context, user string, message []byte, wait bool) (Delivery, error)
	// PushUsers sends a text message to every session of each user. users has no duplicates and is not empty.
	PushUsers(ctx context.Context, users []string, message []byte, wait bool) (Delivery, error)
	// PushSession sends a text message to one session.
	PushSession(ctx context.Context, id string, message []byte, wait bool) (Delivery, error)
	// Broadcast sends a text message to every session there is.
	Broadcast(ctx context.Context, message []byte, wait bool) (Delivery, error)

	// KickUser closes every session of a user with code 1000.
	KickUser(ctx context.Context, user string, wait bool) (Delivery, error)
	// KickSession closes one session with code 1000.
	KickSession(ctx context.Context, id string, wait bool) (Delivery, error)
	// CheckHeartbeats looks at the heartbeat deadlines of this node now. Sessions counts those it closed.
	CheckHeartbeats(ctx context.Context) (Delivery, error)

	// Ready returns nil when clients can be served, else why not. The text is shown to anyone who asks /readyz: no
	// addresses, no secrets.
	Ready() error
}

// Delivery is what became of a push or a kick.
type Delivery struct {
	// Sessions is how many sessions took the message, or were closed.
	Sessions int `json:"sessions"`
	// Users is how many of the addressed users have at least one of those sessions.
	Users int `json:"users,omitempty"`
	// Offline are the addressed users without a session anywhere.
	Offline []string `json:"offline,omitempty"`
	// Complete tells that the numbers are final: every node and every event loop concerned has answered.
	Complete bool `json:"complete"`
}

var (
	// ErrTooLarge says that the message is longer than the gateway sends. Answered by 413.
	ErrTooLarge = errors.New("message too large")
	// ErrBusy says that a queue is full; the same call may succeed later. Answered by 503 with Retry-After.
	ErrBusy = errors.New("gateway busy")
	// ErrClosing says that this node is shutting down; another node can take the call. Answered by 503.
	ErrClosing = errors.New("gateway closing")
)
