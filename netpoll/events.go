package netpoll

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/panjf2000/gnet/v2"

	"carillon/codec"
)

// events is the Reactor as gnet's event handler.
type events Reactor

var _ gnet.EventHandler = (*events)(nil)

// OnBoot keeps the engine; its loops do not run yet.
func (e *events) OnBoot(eng gnet.Engine) gnet.Action {
	e.engine = eng
	return gnet.None
}

// OnShutdown has nothing to do: Drain comes before Stop.
func (e *events) OnShutdown(gnet.Engine) {}

// OnOpen admits an accepted socket, or a wake or adopted one.
func (e *events) OnOpen(gc gnet.Conn) (out []byte, action gnet.Action) {
	r := (*Reactor)(e)
	s := r.shardOf(gc.EventLoop())
	switch v := gc.Context().(type) {
	case *wakeFor:
		gc.SetContext(&wakeConn{s})
		s.begin(gc.Fd())
		s.attach(v.fd)
		return nil, gnet.None
	case *adopted:
		c := s.admit(gc) // it kept its place among MaxConns
		v.taken = true
		gc.SetContext(c)
		defer s.guard(c)
		s.feedHeld(c, v.first)
		s.reap()
		return nil, gnet.None
	}
	if !r.take() {
		s.count.closed[CauseCapacity]++
		return codec.RejectTooMany.Append(nil, r.Date()), gnet.Close
	}
	gc.SetContext(s.admit(gc))
	return nil, gnet.None
}

// take reserves a place among Options.MaxConns.
func (r *Reactor) take() bool {
	if r.conns.Add(1) > int64(r.opt.MaxConns) {
		r.conns.Add(-1)
		return false
	}
	return true
}

// OnTraffic handles readable bytes.
func (e *events) OnTraffic(gc gnet.Conn) gnet.Action {
	switch c := gc.Context().(type) {
	case *Conn:
		c.shard.traffic(c)
		c.shard.served()
	case *wakeConn:
		_, _ = gc.Discard(-1)
		c.shard.woken()
		c.shard.served()
	}
	return gnet.None
}

// OnClose forgets a connection.
func (e *events) OnClose(gc gnet.Conn, err error) gnet.Action {
	if c, ok := gc.Context().(*Conn); ok {
		defer c.shard.guard(nil)
		c.shard.remove(c, err)
	}
	return gnet.None
}

// OnTick is the clock of all loops, once a period; gnet runs it on a goroutine of
// its own.
func (e *events) OnTick() (time.Duration, gnet.Action) {
	r := (*Reactor)(e)
	r.bootOnce.Do(func() { close(r.booted) })
	r.setDate(time.Now())
	r.tickAll()
	return time.Duration(r.period) * Tick, gnet.None
}

// guard keeps a panic in a handler from ending the process and with it every
// other connection: it is logged and its connection closed with 1011. A broken
// invariant of our own ends the process. The replies gathered are lost only where
// they are that connection's: c is nil for Handler.Closed, which may run while another's
// read is served.
func (s *Shard) guard(c *Conn) {
	v := recover()
	if v == nil {
		return
	}
	if msg, ok := v.(string); ok && len(msg) > 4 && msg[:4] == "BUG:" {
		panic(v)
	}
	s.opt.Logger.Error("panic on the event loop", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	if s.corked == c {
		s.corked, s.cork = nil, s.cork[:0]
	}
	if c == nil || s.conns[c.slot] != c {
		return
	}
	// The bytes that led here were unmasked in part: nothing more is read.
	_, _ = c.gc.Discard(-1)
	c.flags &^= flagHeld
	delete(s.held, c)
	if c.state == stateHandshake {
		s.reject(c, rejectPanic)
	}
	c.flags |= flagPeerClosed
	s.beginClose(c, codec.CloseInternalError, "internal error", CauseHandler, false)
	s.reap()
}

var rejectPanic = codec.NewRejection(500, "")

// gnetLogger carries gnet's own messages to our logger.
type gnetLogger struct{ log *slog.Logger }

func (l gnetLogger) Debugf(format string, args ...any) { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l gnetLogger) Infof(format string, args ...any)  { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l gnetLogger) Warnf(format string, args ...any)  { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l gnetLogger) Errorf(format string, args ...any) { l.log.Warn(fmt.Sprintf(format, args...)) }
func (l gnetLogger) Fatalf(format string, args ...any) { l.log.Error(fmt.Sprintf(format, args...)) }
