package server

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/gobwas/ws"

	"carillon/codec"
	"carillon/netpoll"
)

// Message is one BIZ message of a client.
type Message struct {
	// Session sent it.
	Session Session
	// Code is the business code by which the handler was found.
	Code string
	// Data is the raw JSON of the member data, nil when there was none. It is
	// valid until the handler returns; the handler may change it.
	Data []byte
}

// HandlerFunc handles one message. Messages of one session are handled in their
// order, one at a time; those of different sessions at the same time. An error is
// logged and otherwise ignored, a panic closes the session with 1011 and is
// logged, both at a bounded rate. ctx ends when the server has waited long enough for handlers to
// finish while it stops.
type HandlerFunc func(ctx context.Context, m *Message) error

// HandleOption changes how a handler is run.
type HandleOption func(*handler)

// NonBlocking runs the handler on the event loop, without copying the message
// and without a goroutine in between. It must return within microseconds: every
// connection of that loop waits for it. It does not wait for blocking handlers of
// earlier messages of its session; among themselves both kinds keep their order.
func NonBlocking() HandleOption {
	return func(h *handler) { h.nonBlocking = true }
}

type handler struct {
	fn          HandlerFunc
	code        string
	nonBlocking bool
}

// Handle registers the handler of a business code, in place of an earlier one or
// of a built-in one. Call it before Run. It panics when code is empty, fn is
// nil, or the server runs already.
func (s *Server) Handle(code string, fn HandlerFunc, opts ...HandleOption) {
	if code == "" || fn == nil {
		panic("server: Handle needs a code and a function")
	}
	if s.running.Load() {
		panic("server: Handle must be called before Run")
	}
	h := &handler{fn: fn, code: code}
	for _, o := range opts {
		o(h)
	}
	s.handlers[code] = h
}

// Message handles a message of a client. Loop only.
func (g *gate) Message(c *netpoll.Conn, op ws.OpCode, payload []byte) {
	s := g.srv
	if s.cfg.WebSocket.Echo {
		level := 0
		if s.cfg.WebSocket.Compression && len(payload) >= int(s.cfg.WebSocket.CompressionMinBytes) {
			level = s.cfg.WebSocket.CompressionLevel
		}
		c.SendMessage(op, payload, level)
		return
	}
	if codec.IsHeartbeat(payload) {
		c.SendShared(codec.HeartbeatAck)
		return
	}
	var e codec.Envelope
	if err := codec.ParseEnvelope(payload, &e); err != nil {
		s.stats.badMessages.Add(1)
		s.warn.badMessage.log("message is no envelope, ignored", "err", err, "bytes", len(payload))
		return
	}
	switch e.Kind {
	case codec.KindHeartbeat:
		c.SendShared(codec.HeartbeatAck)
	case codec.KindBiz:
		s.dispatch(c, &e)
	default:
		s.stats.unknownMessages.Add(1)
		s.warn.unknownType.log("message type is unknown, ignored", "type", clip(e.Type), "kind", e.Kind)
	}
}

// dispatch gives a BIZ message to the handler of its code. Loop only.
func (s *Server) dispatch(c *netpoll.Conn, e *codec.Envelope) {
	var h *handler
	if e.HasCode {
		h = s.handlers[string(e.Code)]
	}
	if h == nil {
		s.stats.unknownMessages.Add(1)
		s.warn.unknownCode.log("business code is unknown, ignored", "code", clip(e.Code), "has_code", e.HasCode)
		return
	}
	s.stats.bizMessages.Add(1)
	ss := c.Data.(*session)
	session := Session{srv: s, handle: ss.handle, user: ss.user}
	if h.nonBlocking {
		s.handle(s.handlerCtx, h, &Message{Session: session, Code: h.code, Data: e.Data})
		return
	}
	if ss.mail == nil {
		ss.mail = new(mailbox)
	}
	j := job{handler: h, session: session, hasData: e.Data != nil}
	if j.hasData {
		j.buf = dataPool.Get().(*[]byte)
		*j.buf = append((*j.buf)[:0], e.Data...)
	}
	if !s.workers.put(ss.mail, j) {
		j.release()
		s.stats.overloaded.Add(1)
		c.Close(codec.CloseTryAgainLater, "overloaded", netpoll.CauseOverloaded)
	}
}

// dataPool holds the copies of messages that wait for a worker.
var dataPool = sync.Pool{New: func() any { return new([]byte) }}

// maxPooledData keeps one large message from staying in the pool for ever.
const maxPooledData = 64 << 10

func (j *job) release() {
	if j.buf != nil && cap(*j.buf) <= maxPooledData {
		dataPool.Put(j.buf)
	}
	j.buf = nil
}

// runJob runs a blocking handler on a worker.
func (s *Server) runJob(ctx context.Context, j *job) {
	m := Message{Session: j.session, Code: j.handler.code}
	if j.hasData {
		m.Data = *j.buf
	}
	s.handle(ctx, j.handler, &m)
	j.release()
}

// handle calls a handler and looks after what it returns.
func (s *Server) handle(ctx context.Context, h *handler, m *Message) {
	defer func() {
		if v := recover(); v != nil {
			s.stats.handlerPanics.Add(1)
			s.warn.panicked.log("handler panicked, its session is closed", "code", h.code, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			_ = m.Session.Close(codec.CloseInternalError, "internal error")
		}
	}()
	if err := h.fn(ctx, m); err != nil {
		s.stats.handlerErrors.Add(1)
		s.warn.handler.log("handler failed", "code", h.code, "err", err)
	}
}

// clip bounds what a client can put into a log line.
func clip(b []byte) string {
	const most = 64
	if len(b) > most {
		return string(b[:most]) + "…"
	}
	return string(b)
}
