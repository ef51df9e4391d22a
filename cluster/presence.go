package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// What a Presence and a Bus can answer.
var (
	// ErrNodeTaken means that another node is alive under the same id.
	ErrNodeTaken = errors.New("the node id is taken by a node that is alive")
	// ErrAway means that the server behind a Presence or a Bus is not reached now.
	// Errors that wrap it are transient.
	ErrAway = errors.New("cluster is away")
	// ErrBadCursor means that a cursor is not one that a page before has returned.
	ErrBadCursor = errors.New("not a cursor of this listing")
)

// TakenError is an [ErrNodeTaken] that tells since when: when Expires has moved on
// at a later attempt, the holder is alive.
type TakenError struct {
	Node    string
	Expires time.Time // of the holder's lease; zero when that is not known
	// Lingers is how long a holder that is dead may count as alive, where that is not
	// for its lease to tell; 0 when it is not known.
	Lingers time.Duration
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("node id %s: %v", e.Node, ErrNodeTaken)
}

func (e *TakenError) Unwrap() error { return ErrNodeTaken }

// Sessions is the truth about the sessions of this node, which a Presence tells
// the others and writes again when they have forgotten. Any goroutine.
type Sessions interface {
	// Scan calls f for some of the sessions and returns where to go on: begin with
	// 0, go on until it returns 0. A session that lives through the whole scan is
	// met exactly once. f must not call Sessions. Any cursor will do: one that was
	// never returned is as good as the end.
	Scan(cursor uint64, f func(user string, id SessionID)) (next uint64)
	// CountOf returns how many sessions a user has here.
	CountOf(user string) int
	// Len returns how many users and sessions there are here.
	Len() (users, sessions int)
}

// Place is a node that holds a user.
type Place struct {
	Node     string `json:"node"`
	Sessions int    `json:"sessions"`
}

// Location is where a user is.
type Location struct {
	// Places are the carillon nodes that hold the user, this one included.
	Places []Place
	// Foreign means that the user is online, but on no carillon node: then it is a
	// node of the reference that holds the user.
	Foreign bool
}

// Session is a session as listings show it.
type Session struct {
	ID   string `json:"session"`
	User string `json:"user"`
	Node string `json:"node"`
}

// Counts are those of the whole cluster, nodes of the reference included.
type Counts struct {
	Users    int `json:"users"`
	Sessions int `json:"sessions"`
	Nodes    int `json:"nodes"` // carillon nodes alone
}

// Presence knows who is online where. Methods with a context may wait for a
// server, the others never block; all may be called from any goroutine.
//
// Changes are told by Connect and Disconnect, which only take note of them; Sessions
// has them by then, and what is written is what Sessions says. When
// the server behind a Presence is away they wait, within bounds; beyond those the
// Presence writes everything again from Sessions once the server is back.
type Presence interface {
	// Join registers self, and everything that local holds, and keeps both
	// registered until Leave. It cleans up what an earlier start under the same id
	// has left behind. Errors: a [*TakenError], or one that wraps [ErrAway] when the
	// server is not reached, after which Join may be called again.
	// Connect and Disconnect may be called before it has returned.
	Join(ctx context.Context, self Node, local Sessions) error
	// Connect notes a new session. Called by event loops.
	Connect(user string, id SessionID)
	// Disconnect notes the end of a session that Connect was called for. Called by
	// event loops.
	Disconnect(user string, id SessionID)
	// Leave removes the node and all its sessions. Nothing else is called after it.
	// It is to be called after a Join that failed too.
	Leave(ctx context.Context) error

	// Shared tells whether other processes see what this Presence knows, and the
	// other way round.
	Shared() bool
	// Ready returns nil while the server behind it is reached and the node is
	// registered, else why not. The text has no addresses and no secrets.
	Ready() error
	// Lost is closed when another node has taken over this node's id, after which
	// this one writes nothing more. Before Join has succeeded that is an error of it.
	Lost() <-chan struct{}

	// Members returns the carillon nodes alive when last looked, this one included.
	// The counts in it may be zero.
	Members() []Node
	// Mixed tells whether there were nodes of the reference when last looked. They
	// get no message but those of [Bus.Broadcast].
	Mixed() bool
	// Locate says where each of the users is, by index, in one round trip, or fails
	// with an error that wraps [ErrAway]; so do the others that ask. Users looked up a moment ago may come from memory; a change drops them from there.
	Locate(ctx context.Context, users []string) ([]Location, error)
	// LocateSessions says which node holds each of the sessions, by index, in one
	// round trip; "" for unknown ones. Nodes of the reference are named too; a carillon
	// node that is named and alive is one of Members by then, however new it is.
	LocateSessions(ctx context.Context, ids []string) ([]string, error)

	// Count counts users and sessions in the whole cluster.
	Count(ctx context.Context) (Counts, error)
	// Nodes looks again, and returns the carillon nodes that are alive, by id, with
	// their counts.
	Nodes(ctx context.Context) ([]Node, error)
	// ListUsers returns about limit online users and the cursor of the next page:
	// begin with "", the last page has none. A user that is online all the time
	// is met at least once, perhaps twice.
	ListUsers(ctx context.Context, cursor string, limit int) (page []string, next string, err error)
	// ListSessions is ListUsers for sessions, those of one node when node is not "".
	ListSessions(ctx context.Context, node, cursor string, limit int) (page []Session, next string, err error)

	// Stats returns the numbers behind the metrics.
	Stats() PresenceStats
}

// PresenceStats are the numbers of a Presence; those that end in a sum only grow.
type PresenceStats struct {
	Up         bool // the server is reached and the node is registered
	Pending    int  // changes that wait to be written
	PendingMax int  // beyond which everything is written again instead

	Changes     uint64 // connects and disconnects written
	RoundTrips  uint64 // round trips that wrote them
	Commands    uint64 // commands of every kind sent to the server
	Errors      uint64 // round trips that failed
	Resyncs     uint64 // times everything was written again
	Repaired    uint64 // users put back into the shared online set
	LeasesLost  uint64 // times this node's lease had run out
	Cleaned     uint64 // dead nodes cleaned up by this one
	CacheHits   uint64 // locations from memory
	CacheMisses uint64
}
