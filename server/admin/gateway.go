package admin

import (
	"context"
	"errors"
	"time"

	"carillon/cluster"
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
// An unknown user or session is no error: nothing is delivered. Errors are [ErrTooLarge], [ErrBusy], [ErrClosing],
// [cluster.ErrAway] when the cluster is not reached, [cluster.ErrOutboxFull] when a push was delivered on this node but
// not accepted for others, or wrap one of them; any other is logged and answered by 500, without its text.
type Gateway interface {
	// NodeID returns the name of this node.
	NodeID() string
	// OnlineUsers returns the users that are online in the cluster, each once, in no order.
	OnlineUsers(ctx context.Context) ([]string, error)
	// OnlineUserCount returns how many users are online in the cluster.
	OnlineUserCount(ctx context.Context) (int, error)
	// SessionCount returns how many sessions this node holds.
	SessionCount() int
	// Locate says where each of the users is, by index.
	Locate(ctx context.Context, users []string) ([]cluster.Location, error)
	// Nodes returns the nodes that are alive, by id, this one included.
	Nodes(ctx context.Context) ([]cluster.Node, error)
	// Sessions returns about limit sessions of the cluster, or of one node when node is not "", and the cursor of the
	// next page: "" begins, and "" comes with the last page. A cursor that no page has returned: [cluster.ErrBadCursor].
	Sessions(ctx context.Context, node, cursor string, limit int) ([]cluster.Session, string, error)

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
	// KickAll closes the sessions of every carillon node, or of one.
	KickAll(ctx context.Context, kick KickAll, wait bool) (Delivery, error)
	// CheckHeartbeats looks at the heartbeat deadlines of this node now. Sessions counts those it closed.
	CheckHeartbeats(ctx context.Context) (Delivery, error)

	// Ready returns nil when clients can be served, else why not. The text is shown to anyone who asks /readyz: no
	// addresses, no secrets.
	Ready() error
}

// KickAll is a kick of everyone.
type KickAll struct {
	// Node limits it to one node; "" is all.
	Node string
	// Code and Reason are those of the close frame.
	Code   uint16
	Reason string
	// Spread is the time over which the close frames are spread, so that clients do not all reconnect at once.
	Spread time.Duration
}

// Delivery is what became of a push or a kick.
type Delivery struct {
	// Sessions is how many sessions of this node took the message, or were closed.
	Sessions int `json:"sessions"`
	// Users is how many of the addressed users have at least one of those sessions.
	Users int `json:"users,omitempty"`
	// Routed are the other nodes that got it by name.
	Routed []Route `json:"routed,omitempty"`
	// Everywhere tells that it was published to every node, because nodes of the reference are among them, or because
	// presence is away and nobody knows where the users are.
	Everywhere bool `json:"everywhere,omitempty"`
	// Unreachable are the addressed users and sessions on nodes that cannot carry it out.
	Unreachable []Unreachable `json:"unreachable,omitempty"`
	// Offline are the addressed users and sessions that are nowhere.
	Offline []string `json:"offline,omitempty"`
	// Complete tells that the numbers are final: every event loop of this node has answered, and the broker has what
	// went to other nodes.
	Complete bool `json:"complete"`
}

// Route is what went to one other node.
type Route struct {
	Node     string   `json:"node"`
	Users    []string `json:"users,omitempty"`
	Sessions []string `json:"sessions,omitempty"`
}

// Unreachable is a user or a session out of reach.
type Unreachable struct {
	User    string `json:"user,omitempty"`
	Session string `json:"session,omitempty"`
	Node    string `json:"node,omitempty"`
	Reason  string `json:"reason"`
}

var (
	// ErrTooLarge says that the message is longer than the gateway sends. Answered by 413.
	ErrTooLarge = errors.New("message too large")
	// ErrBusy says that a queue is full; the same call may succeed later. Answered by 503 with Retry-After.
	ErrBusy = errors.New("gateway busy")
	// ErrClosing says that this node is shutting down; another node can take the call. Answered by 503.
	ErrClosing = errors.New("gateway closing")
)
