package server

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"time"

	"carillon/cluster"
	"carillon/codec"
	"carillon/netpoll"
)

// session is what the gateway keeps for each connection, beside netpoll's Conn.
// A test pins its size.
type session struct {
	user   string
	handle netpoll.Handle
	mail   *mailbox // messages that wait for handlers; nil before the first one

	next, prev *session // of the user index, which locks them
}

// sessionIDs makes and reads session ids. An id is a UUID (RFC 9562 §5.8,
// version 8) that names the node's start, the connection, and carries a check
// that only this process can make, so no table of ids is needed:
//
//	32 bits  node and start
//	64 bits  handle
//	26 bits  check
type sessionIDs struct {
	tag  uint32
	seed maphash.Seed
}

func newSessionIDs(nodeID string, start time.Time) sessionIDs {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(nodeID), uint64(start.UnixNano())))
	return sessionIDs{tag: binary.BigEndian.Uint32(sum[:]), seed: maphash.MakeSeed()}
}

const checkMask = 1<<26 - 1

func (s *sessionIDs) check(h netpoll.Handle) uint64 {
	return maphash.Comparable(s.seed, h) & checkMask
}

// of returns the id of the session on h.
func (s *sessionIDs) of(h netpoll.Handle) (id cluster.SessionID) {
	v := uint64(h)
	binary.BigEndian.PutUint32(id[0:], s.tag)
	binary.BigEndian.PutUint16(id[4:], uint16(v>>48))
	binary.BigEndian.PutUint16(id[6:], 0x8000|uint16(v>>36)&0x0fff)
	binary.BigEndian.PutUint64(id[8:], 1<<63|(v>>30&0x3f)<<56|(v&(1<<30-1))<<26|s.check(h))
	return id
}

// parse returns the handle that id was made of; ok is false for ids of other
// nodes, other starts, and anything that is no id.
func (s *sessionIDs) parse(text string) (h netpoll.Handle, ok bool) {
	id, err := cluster.ParseSessionID(text)
	if err != nil {
		return 0, false
	}
	low := binary.BigEndian.Uint64(id[8:])
	v := uint64(binary.BigEndian.Uint16(id[4:]))<<48 |
		uint64(binary.BigEndian.Uint16(id[6:])&0x0fff)<<36 |
		low>>56&0x3f<<30 |
		low>>26&(1<<30-1)
	h = netpoll.Handle(v)
	ok = id.Tag() == s.tag && id[6]>>4 == 8 && id[8]>>6 == 2 && low&checkMask == s.check(h)
	if !ok {
		return 0, false
	}
	return h, true
}

// Session names one connected client. It is a value: keep it as long as you
// like; operations on a session that has ended do nothing. Any goroutine.
type Session struct {
	srv    *Server
	handle netpoll.Handle
	user   string
}

// ID returns the session's id, a UUID in text form.
func (s Session) ID() string { return s.srv.ids.of(s.handle).String() }

// User returns the id of the session's user.
func (s Session) User() string { return s.user }

// Send queues a text message for the session. It does not block; the errors are
// those of Server.PushSession.
func (s Session) Send(text []byte) error {
	f, err := s.srv.frame(text)
	if err != nil {
		return err
	}
	return pushError(s.srv.reactor.Send(s.handle, f, nil))
}

// SendBiz queues the envelope {"type":"BIZ","code":code,"data":data}. data is
// JSON, or nil to leave the member out.
func (s Session) SendBiz(code string, data []byte) error {
	return s.Send(codec.AppendEnvelope(nil, codec.TypeBiz, code, data))
}

// Close ends the session with a close frame after what was queued before. A code
// that RFC 6455 §7.4 does not allow to send is an error, and the session goes on;
// the reason is cut to 123 bytes.
func (s Session) Close(code codec.CloseCode, reason string) error {
	if _, _, err := codec.ParseClose(binary.BigEndian.AppendUint16(nil, uint16(code))); err != nil {
		return fmt.Errorf("code %d: %s", code, err.Reason)
	}
	return pushError(s.srv.reactor.Close(s.handle, code, reason, netpoll.CauseHandler, nil))
}
