package cluster

import (
	"context"
	"errors"
	"time"
)

// What becomes of an operation that was not delivered to every node.
var (
	// ErrOutboxFull means that as much waits for the broker as may, or for as long.
	ErrOutboxFull = errors.New("outbox is full")
	// ErrUnroutable means that the broker knows no such node.
	ErrUnroutable = errors.New("no such node at the broker")
	// ErrClosed means that the bus was closed before the broker had the operation.
	ErrClosed = errors.New("bus is closed")
)

// Kind is what an Operation does.
type Kind uint8

// The kinds. Their numbers are on the wire.
const (
	PushAll      Kind = 1 + iota // Payload to everyone
	PushUsers                    // Payload to Users
	PushSessions                 // Payload to Sessions
	KickUsers                    // close the sessions of Users
	KickSessions                 // close Sessions
	KickAll                      // close everyone, over Spread
)

// Operation is what one node asks of others.
type Operation struct {
	Kind     Kind
	Payload  string        // of pushes: the text, valid UTF-8
	Users    []string      // of PushUsers and KickUsers
	Sessions []string      // of PushSessions and KickSessions
	Code     uint16        // of kicks: the close code; 0 is 1000
	Reason   string        // of kicks: the close reason, at most 123 bytes
	Spread   time.Duration // of KickAll
}

// Handler carries out an operation that came from another node; from is its id,
// "" when the message did not tell. It is called by one goroutine, in the order
// in which each node has published. It returns when the operation is handed to
// every event loop concerned, and waits while they cannot follow, until ctx ends;
// an operation that it did not hand over comes again, before later ones. op is the handler's to keep.
type Handler func(ctx context.Context, from string, op *Operation) error

// Bus carries operations to other nodes. Methods without a context never block;
// all may be called from any goroutine.
//
// What is published by one goroutine is handled in that order, whatever its kind
// and destination, once by each node concerned, never by the node itself. While
// the broker is away it waits in an outbox. An operation is encoded before a call
// returns, nothing of it is kept but the payload: what sends one to several nodes
// sends the same string, so that it is held once.
//
// done, if not nil, is called once, from the bus's goroutine: with nil when the
// broker has taken the operation over, else with [ErrUnroutable] or [ErrClosed]. It
// must not block.
type Bus interface {
	// Open connects self and begins to give h what comes in. Errors: a [*TakenError]
	// when another consumer reads under this id, or one that wraps [ErrAway], after
	// which Open may be called again. Once it has succeeded the bus reconnects by itself.
	// Publishing may begin before it.
	Open(ctx context.Context, self Node, h Handler) error
	// Close sends what is in the outbox, as long as ctx lasts, stops receiving,
	// and removes what the broker keeps for this node. Nothing else is called
	// after it. It is to be called after an Open that failed too.
	Close(ctx context.Context) error

	// Shared tells whether there can be other nodes on it.
	Shared() bool
	// Ready returns nil while operations come and go, else why not. The text has
	// no addresses and no secrets.
	Ready() error
	// Admit returns nil when more may be published, else an error that wraps
	// [ErrOutboxFull]. To be asked before a push is accepted: what was accepted is
	// published without asking again, and is not dropped.
	Admit() error

	// Broadcast publishes a PushAll or PushUsers to every node, those of the
	// reference included.
	Broadcast(op *Operation, done func(error))
	// SendAll publishes to every carillon node.
	SendAll(op *Operation, done func(error))
	// Send publishes to one carillon node. To the node itself it delivers nothing.
	Send(node string, op *Operation, done func(error))

	// Forget removes what the broker keeps for a node that is dead.
	Forget(ctx context.Context, node string) error

	// Stats returns the numbers behind the metrics.
	Stats() BusStats
}

// BusStats are the numbers of a Bus.
type BusStats struct {
	Up             bool
	OutboxMessages int // published and not confirmed by the broker
	OutboxBytes    int
	OutboxMaxBytes int
	OutboxAge      time.Duration // of the oldest
	Blocked        bool          // the consumer waits for event loops that cannot follow

	Published  uint64 // operations for the broker, one for each destination
	Confirmed  uint64
	Resent     uint64 // sent again after a reconnect
	Unroutable uint64
	Refused    uint64 // refusals by Admit
	Received   uint64 // messages from the broker
	Own        uint64 // of them, those that this node had published itself
	Duplicates uint64 // of them, those seen before
	Poison     uint64 // of them, those that could not be read
	Reconnects uint64
	BlockedFor time.Duration // time the consumer has waited for event loops, in all
}
