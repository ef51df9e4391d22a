package engine

import (
	"github.com/panjf2000/gnet/v2"

	"carillon/codec"
)

// conn is one connection. Its loop owns it, from the moment it is registered.
type conn struct {
	gc    gnet.Conn // nil over TLS
	tls   *tlsConn  // nil without
	g     *group
	part  *codec.Partial
	hs    *handshake // nil once upgraded
	more  []tracker  // streams 1 and on
	track tracker    // stream 0; of an echo, its own
	due   int64      // modeRequest: when the request under way was due; 0: none is
	born  int64      // when it was upgraded
	fd    int32
	id    int32  // index in the scenario
	slot  int32  // in g.live; -1: not there
	sent  uint32 // modeEcho: numbers used in this period
	bad   uint32 // messages that came damaged beyond recognition
	role  role
	state connState
	flags connFlags
}

type connState uint8

const (
	stateHandshake connState = iota
	stateOpen
	stateLeaving // our close frame is out
	stateClosed
)

// role is what a connection is there for.
type role uint8

const (
	roleMember    role = iota // one of the scenario's connections
	roleChurner               // comes and goes
	rolePublisher             // sends what others get
)

type connFlags uint8

const (
	flagAnswered connFlags = 1 << iota // got a message at least once
	flagExpired                        // its request was given up: its next reply is late
	flagIdle                           // in g.idle
	flagLateJoin                       // joined while messages were published: the first one it gets tells where it begins
	flagByeSeen                        // the server's close frame has come; bye says which
	flagAbrupt                         // leaves by RST
)

func (f *connFlags) set(x connFlags)     { *f |= x }
func (f *connFlags) clear(x connFlags)   { *f &^= x }
func (f connFlags) has(x connFlags) bool { return f&x != 0 }

// handshake is what a connection needs until it is upgraded.
type handshake struct {
	accept  [codec.AcceptLen]byte
	due     int64  // when the connect was due
	asked   int64  // when the request was sent
	attempt *dial  // whose it is
	bye     string // why it failed
}

// tracker returns the tracker of a stream.
func (c *conn) tracker(stream uint32) *tracker {
	if stream == 0 {
		return &c.track
	}
	for uint32(len(c.more)) < stream {
		c.more = append(c.more, tracker{})
	}
	return &c.more[stream-1]
}

// ring is a FIFO that grows and keeps its memory.
type ring[T any] struct {
	buf        []T // length a power of two
	head, size int
}

func (r *ring[T]) push(v T) {
	if r.size == len(r.buf) {
		buf := make([]T, max(16, 2*len(r.buf)))
		n := copy(buf, r.buf[r.head:])
		copy(buf[n:], r.buf[:r.head])
		r.buf, r.head = buf, 0
	}
	r.buf[(r.head+r.size)&(len(r.buf)-1)] = v
	r.size++
}

func (r *ring[T]) pop() T {
	var zero T
	v := r.buf[r.head]
	r.buf[r.head] = zero
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.size--
	return v
}

// front is the oldest element; r is not empty.
func (r *ring[T]) front() *T { return &r.buf[r.head] }
