package faulty

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Options is what a Server is given once.
type Options struct {
	Faults  Faults // at the start
	Addr    string // default 127.0.0.1:0
	TLS     *tls.Config
	Seed    uint64 // of Close.Random
	Welcome string // a text in the same write as the 101; "": none

	// User returns the user of a connection and whether it may connect at all;
	// else it is refused with 401. Default: ?user=, or else ?token=.
	User func(r *http.Request) (user string, ok bool)
	// MaxConns is how many connections may be open at once; the next one is
	// refused with 503. 0: no limit.
	MaxConns int
	// OnMessage sees each text and binary message before its reply is made. It
	// must not keep payload. Called by many goroutines.
	OnMessage func(user string, payload []byte)

	RecordArrivals int // how many arrival times of messages are kept, see Server.Arrivals
	MaxMessage     int // longest message taken; default 16 MiB
	QueueBytes     int // most that waits for one client before it is cut; default 16 MiB
}

// Server is a server that misbehaves on purpose.
type Server struct {
	opt      Options
	ln       net.Listener
	http     *http.Server
	faults   atomic.Pointer[faultSet]
	count    counters
	registry registry
	arrivals arrivals
	places   atomic.Int64 // taken, see Options.MaxConns

	ctx  context.Context // until Close
	stop context.CancelFunc

	life   sync.Mutex
	closed bool           // nothing is started any more
	wg     sync.WaitGroup // everything but net/http's own goroutines
}

// New listens and serves until Close.
func New(opt Options) (*Server, error) {
	if opt.Addr == "" {
		opt.Addr = "127.0.0.1:0"
	}
	if opt.MaxMessage <= 0 {
		opt.MaxMessage = 16 << 20
	}
	if opt.QueueBytes <= 0 {
		opt.QueueBytes = 16 << 20
	}
	if opt.User == nil {
		opt.User = userOfQuery
	}
	ln, err := net.Listen("tcp", opt.Addr)
	if err != nil {
		return nil, err
	}
	s := &Server{opt: opt, ln: ln}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.registry.init()
	s.arrivals.init(opt.RecordArrivals)
	s.SetFaults(opt.Faults)
	s.http = &http.Server{
		Handler:  s.handler(),
		ErrorLog: log.New(io.Discard, "", 0), // clients that leave in the handshake are the tests' doing
	}
	var accepting net.Listener = &listener{Listener: ln, s: s}
	if opt.TLS != nil {
		accepting = tls.NewListener(accepting, opt.TLS)
	}
	s.start(func() { _ = s.http.Serve(accepting) })
	return s, nil
}

// Start is New for a test, whose end closes the server.
func Start(t testing.TB, opt Options) *Server {
	t.Helper()
	s, err := New(opt)
	if err != nil {
		t.Fatalf("start the faulty server: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// Close ends all connections, without close frames, and waits for everything to
// end.
func (s *Server) Close() {
	s.life.Lock()
	s.closed = true
	s.life.Unlock()
	s.stop()
	_ = s.http.Close()
	s.registry.each(func(c *conn) { c.abort() })
	s.wg.Wait()
}

// start runs fns in goroutines that Close waits for, unless it has begun.
func (s *Server) start(fns ...func()) bool {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return false
	}
	for _, fn := range fns {
		s.wg.Go(fn)
	}
	return true
}

// SetFaults puts f in force, whose counting starts at nought. Frames that are
// already delayed or held are not affected.
func (s *Server) SetFaults(f Faults) {
	set := newFaultSet(f)
	if old := s.faults.Swap(set); old != nil {
		close(old.replaced)
	}
	if f.PingEvery > 0 {
		s.start(func() { s.pingAll(set) })
	}
}

// CloseAll closes every connection that is open now, as c says.
func (s *Server) CloseAll(c Close) {
	s.registry.each(func(conn *conn) { conn.end(c) })
}

// pingAll pings every connection at the set's pace until another is in force.
func (s *Server) pingAll(set *faultSet) {
	t := time.NewTicker(set.PingEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			frame := s.ping()
			s.registry.each(func(c *conn) { c.enqueue(item{b: frame, pings: 1}) })
		case <-set.replaced:
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// Addr returns the host and port the server listens on.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// URL returns the address of the WebSocket that echoes, /ws.
func (s *Server) URL() string { return s.webSocket() + "/ws" }

// HubURL returns the address of the WebSocket that sends each message to all
// others, /hub.
func (s *Server) HubURL() string { return s.webSocket() + "/hub" }

// PublishURL returns the address to post messages to: for the kind "broadcast"
// the one for all connections, for others the one for a user, whose name stands
// as {{.User}}.
func (s *Server) PublishURL(kind string) string {
	base := "http://" + s.Addr()
	if s.opt.TLS != nil {
		base = "https://" + s.Addr()
	}
	if kind == "broadcast" {
		return base + "/websocket/broadcast"
	}
	return base + "/websocket/send/user/{{.User}}"
}

func (s *Server) webSocket() string {
	if s.opt.TLS != nil {
		return "wss://" + s.Addr()
	}
	return "ws://" + s.Addr()
}

func userOfQuery(r *http.Request) (string, bool) {
	q := r.URL.Query()
	if user := q.Get("user"); user != "" {
		return user, true
	}
	return q.Get("token"), true
}

// waitStall returns when the server no longer stands still, and whether it did.
func (s *Server) waitStall(done <-chan struct{}) (waited bool) {
	for {
		f := s.faults.Load()
		left := f.stallLeft(time.Now())
		if left <= 0 {
			return waited
		}
		waited = true
		t := time.NewTimer(left)
		select {
		case <-t.C:
		case <-f.replaced:
		case <-done:
			t.Stop()
			return waited
		}
		t.Stop()
	}
}
