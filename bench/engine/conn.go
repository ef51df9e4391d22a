package engine

import (
	"github.com/panjf2000/gnet/v2"

	"carillon/codec"
)

// conn is one connection. Its loop owns it, from the moment it is registered.
type conn struct {
	gc   gnet.Conn // nil over TLS
	tls  *tlsConn  // nil without
	g    *group
	part *codec.Partial
	hs   *handshake // nil once upgraded
	echoes
	prev  *echoes    // modeEcho: of the warm-up, when some were under way at its end
	more  *[]tracker // modeDeliver: streams 1 and on
	due   int64      // modeRequest: when the request under way was due; 0: none is. modeEcho, closed: when it was last noted
	born  int64      // when it was upgraded
	fd    int32
	id    int32 // index in the scenario
	slot  int32 // in its group's list; -1: not there
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

type connFlags uint16

const (
	flagAnswered connFlags = 1 << iota // got a message at least once
	flagExpired                        // its request was given up: its next reply is late
	flagIdle                           // in g.idle
	flagLateJoin                       // joined while messages were published: the first one it gets tells where it begins
	flagByeSeen                        // it has been counted why it ended: nothing that comes counts any more
	flagAbrupt                         // leaves by RST
	flagFirst                          // what is being read came in the segment of the 101
	flagReset                          // a send met a connection that was reset
	flagDropped                        // of a storm: it has to come back
)

func (f *connFlags) set(x connFlags)     { *f |= x }
func (f *connFlags) clear(x connFlags)   { *f &^= x }
func (f connFlags) has(x connFlags) bool { return f&x != 0 }

// handshake is what a connection needs until it is upgraded.
type handshake struct {
	accept  [codec.AcceptLen]byte
	due     int64  // when the connect was due
	asked   int64  // when the request was sent
	by      int64  // when it has to be over
	attempt *dial  // whose it is
	bye     string // why it failed
}

// stream returns the tracker of a stream.
func (c *conn) stream(n uint32) *tracker {
	if n == 0 {
		return &c.tracker
	}
	if c.more == nil {
		c.more = new([]tracker)
	}
	for uint32(len(*c.more)) < n {
		*c.more = append(*c.more, tracker{})
	}
	return &(*c.more)[n-1]
}

// known is the tracker of a stream in an epoch, if c got anything of it.
func (c *conn) known(stream int, epoch uint8) (t *tracker, ok bool) {
	t = &c.tracker
	if stream > 0 {
		if c.more == nil || stream > len(*c.more) {
			return nil, false
		}
		t = &(*c.more)[stream-1]
	}
	return t, t.begun && t.epoch == epoch
}
