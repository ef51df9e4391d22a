package server

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"carillon/codec"
	"carillon/server/admin"
	"carillon/server/web"
)

// webServer serves everything on the port that is not the WebSocket endpoint:
// page, HTTP endpoints, health. The reactor gives it connections one by one.
type webServer struct {
	srv    *Server
	server *fasthttp.Server
	conns  *offered
	done   chan struct{}

	mu    sync.Mutex
	open  map[net.Conn]*openConn
	turns *list.List    // handed-over connections whose client has the turn, the longest first
	taken int           // handed-over connections that are open
	grace time.Duration // how long a shutdown waits for the rest of a request

	adminServer *fasthttp.Server // admin.listen, else nil
	adminLn     net.Listener
	adminDone   chan struct{}
}

// openConn is an open connection of plain HTTP.
type openConn struct {
	since  time.Time     // since when its client has the turn, zero: it waits for an answer
	handed bool          // by the reactor, so that it takes one of server.max-http-connections
	turn   *list.Element // nil: it is not among turns
}

// requestGrace is how long a shutdown waits for the rest of a request that has begun. It is time for
// a large one; who sends a part and no more, which takes no token, does not hold up the end.
const requestGrace = 5 * time.Second

func newWebServer(s *Server) *webServer {
	w := &webServer{srv: s, conns: newOffered(), done: make(chan struct{}), open: make(map[net.Conn]*openConn), turns: list.New(),
		grace: requestGrace, adminDone: make(chan struct{})}
	cfg := &s.cfg
	api := admin.New(endpoints{s}, admin.Options{
		Tokens: cfg.Admin.Tokens, Open: cfg.Admin.Open, AllowedOrigins: cfg.Admin.AllowedOrigins,
		MaxBody: int(cfg.Admin.MaxBodyBytes), Reading: w.reading, Metrics: s.metricsHandler(), Logger: s.log,
	})
	own := cfg.Admin.Listen != ""
	w.server = w.newFasthttp(w.routes(api, !own), true)
	if own {
		w.adminServer = w.newFasthttp(api.Handler(), false)
	}
	return w
}

// routes returns the handler of the main port.
func (w *webServer) routes(api *admin.API, withAPI bool) fasthttp.RequestHandler {
	cfg := &w.srv.cfg
	r := router.New()
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	r.NotFound = admin.NotFound
	r.MethodNotAllowed = admin.MethodNotAllowed
	opt := web.Options{
		Endpoint:          cfg.WebSocket.Endpoint,
		HeartbeatInterval: min(cfg.WebSocket.HeartbeatTimeout/3, web.DefaultHeartbeatInterval),
	}
	if cfg.Auth.Mode == "demo" {
		opt.DemoToken = demoToken
	}
	web.New(opt).Register(r)
	if withAPI {
		api.Register(r)
	} else {
		health := api.Handler()
		r.ANY("/healthz", health)
		r.ANY("/readyz", health)
	}
	endpoint := cfg.WebSocket.Endpoint
	return func(ctx *fasthttp.RequestCtx) {
		if string(ctx.URI().PathOriginal()) == endpoint && w.giveBack(ctx) {
			return
		}
		r.Handler(ctx)
	}
}

// newFasthttp makes the server of the connections that the reactor hands over, or of
// those of admin.listen.
func (w *webServer) newFasthttp(h fasthttp.RequestHandler, handed bool) *fasthttp.Server {
	cfg := &w.srv.cfg
	places := cfg.Server.MaxHTTPConnections
	if handed {
		places += offeredBacklog // who is put out takes a moment to go
	}
	return &fasthttp.Server{
		Handler: func(ctx *fasthttp.RequestCtx) {
			w.reading(ctx.Conn(), false)
			h(ctx)
			w.reading(ctx.Conn(), true)
		},
		ConnState:          func(nc net.Conn, state fasthttp.ConnState) { w.track(nc, state, handed) },
		ErrorHandler:       admin.ErrorHandler,
		Concurrency:        places,
		ReadBufferSize:     int(cfg.Server.MaxHeaderBytes),
		MaxRequestBodySize: int(cfg.Admin.MaxBodyBytes),
		// A body is read by who wants it, once it is known who sends it: else anybody fills
		// MaxRequestBodySize on each connection.
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		IdleTimeout:                  cfg.Server.HTTPIdleTimeout,
		ReadTimeout:                  cfg.Server.HandshakeTimeout, // of the head, as for a handshake; then for the body:
		HeaderReceived: func(*fasthttp.RequestHeader) fasthttp.RequestConfig {
			return fasthttp.RequestConfig{ReadTimeout: cfg.Server.HTTPIdleTimeout}
		},
		WriteTimeout:          cfg.Server.HTTPIdleTimeout,
		NoDefaultServerHeader: true,
		CloseOnShutdown:       true,
		KeepHijackedConns:     true,
		Logger:                fasthttpLogger{w.srv.log},
	}
}

// listen opens the second listener when one is configured.
func (w *webServer) listen() (err error) {
	if w.adminServer == nil {
		return nil
	}
	w.adminLn, err = net.Listen("tcp", w.srv.cfg.Admin.Listen)
	return err
}

func (w *webServer) start() {
	go w.serve(w.server, w.conns, w.done)
	if w.adminServer == nil {
		close(w.adminDone)
		return
	}
	go w.serve(w.adminServer, w.adminLn, w.adminDone)
}

// serve runs server until ln ends, then closes done.
func (w *webServer) serve(server *fasthttp.Server, ln net.Listener, done chan<- struct{}) {
	defer close(done)
	if err := server.Serve(ln); err != nil {
		w.srv.log.Error("an HTTP listener ended", "listener", ln.Addr().String(), "err", err)
	}
}

// track keeps the set of open connections. Any goroutine.
func (w *webServer) track(nc net.Conn, state fasthttp.ConnState, handed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch state {
	case fasthttp.StateNew:
		w.open[nc] = &openConn{handed: handed}
		if handed {
			w.taken++
		}
		w.turn(nc, true)
	case fasthttp.StateActive:
		w.turn(nc, true)
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		w.forget(nc)
	}
}

// turn gives a connection's client the turn, or takes it. Holds mu.
func (w *webServer) turn(nc net.Conn, client bool) {
	c := w.open[nc]
	if c == nil {
		return // it was put out
	}
	if c.turn != nil {
		w.turns.Remove(c.turn)
		c.turn = nil
	}
	c.since = time.Time{}
	if client {
		c.since = time.Now()
	}
	if client && c.handed {
		c.turn = w.turns.PushBack(nc)
	}
}

// forget takes a connection out of the open ones. Holds mu.
func (w *webServer) forget(nc net.Conn) {
	c := w.open[nc]
	if c == nil {
		return
	}
	if c.turn != nil {
		w.turns.Remove(c.turn)
	}
	if c.handed {
		w.taken--
	}
	delete(w.open, nc)
}

// reading notes whether a connection waits for its client, or the client for an
// answer. Any goroutine.
func (w *webServer) reading(nc net.Conn, client bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn(nc, client)
}

// makeRoom puts out, when all places of plain HTTP are taken, the client that has had the
// turn for longest. Who keeps connections and asks for nothing, for which it takes no
// token, must not keep out health checks and back ends. Who waits for an answer stays.
func (w *webServer) makeRoom() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.taken < w.srv.cfg.Server.MaxHTTPConnections {
		return
	}
	if longest := w.turns.Front(); longest != nil {
		nc := longest.Value.(net.Conn)
		w.forget(nc)
		_ = nc.Close()
	}
}

// cut closes connections, whatever is under way on them.
func (w *webServer) cut(which func(since time.Time) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for nc, c := range w.open {
		if which(c.since) {
			_ = nc.Close()
		}
	}
}

// cutPartial closes connections whose clients have had the turn for longer than the
// grace since it was called, until stopped is closed.
func (w *webServer) cutPartial(stopped <-chan struct{}) {
	begun := time.Now()
	again := time.NewTicker(max(w.grace/50, time.Millisecond))
	defer again.Stop()
	for {
		select {
		case <-stopped:
			return
		case now := <-again.C:
			w.cut(func(since time.Time) bool {
				return !since.IsZero() && now.Sub(since) > w.grace && now.Sub(begun) > w.grace
			})
		}
	}
}

// stop lets requests under way finish and closes idle connections. Requests whose
// rest does not come within the grace are cut, and what is left when ctx ends.
func (w *webServer) stop(ctx context.Context) error {
	stopped := make(chan struct{})
	defer close(stopped)
	go w.cutPartial(stopped)
	err := w.server.ShutdownWithContext(ctx)
	w.conns.Close()
	<-w.done
	if w.adminServer != nil {
		err = errors.Join(err, w.adminServer.ShutdownWithContext(ctx))
		_ = w.adminLn.Close()
		<-w.adminDone
	}
	if err != nil {
		w.cut(func(time.Time) bool { return true })
	}
	return err
}

// offer gives the HTTP server a connection; false means that too many wait. Any
// goroutine; does not block.
func (w *webServer) offer(nc net.Conn) bool {
	w.makeRoom()
	return w.conns.offer(nc)
}

// giveBack returns a kept-alive connection to the reactor when a request on it
// is for the WebSocket endpoint: reverse proxies reuse connections so. The
// request goes back byte for byte, with what the client sent after it. It returns
// false when the reactor would not find its endpoint in the request.
func (w *webServer) giveBack(ctx *fasthttp.RequestCtx) bool {
	head := append([]byte(nil), ctx.Method()...)
	head = append(head, ' ')
	head = append(head, ctx.Request.Header.RequestURI()...)
	head = append(head, ' ')
	head = append(head, ctx.Request.Header.Protocol()...)
	head = append(head, "\r\n"...)
	if path, ok := codec.RequestPath(head); ok && string(path) != w.srv.cfg.WebSocket.Endpoint {
		return false
	}
	head = append(head, ctx.Request.Header.RawHeaders()...)
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(c net.Conn) {
		// What fasthttp has read ahead comes first; with the deadline passed,
		// reading ends where the socket would be asked.
		_ = c.SetReadDeadline(time.Unix(1, 0))
		rest, _ := io.ReadAll(c)
		nc := c.(interface{ UnsafeConn() net.Conn }).UnsafeConn()
		if err := w.srv.reactor.Adopt(nc, append(head, rest...)); err != nil {
			w.srv.log.Warn("can not take a connection back for its upgrade", "err", err)
			_ = nc.Close()
		}
	})
	return true
}

// offered is the net.Listener of connections that the reactor hands over.
type offered struct {
	conns  chan net.Conn
	closed chan struct{}
	mu     sync.Mutex // nothing is offered after the end
	ended  bool
}

// offeredBacklog is how many connections may wait to be taken by the server.
const offeredBacklog = 256

func newOffered() *offered {
	return &offered{conns: make(chan net.Conn, offeredBacklog), closed: make(chan struct{})}
}

func (o *offered) offer(nc net.Conn) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return false
	}
	select {
	case o.conns <- nc:
		return true
	default:
		return false
	}
}

// Accept implements net.Listener.
func (o *offered) Accept() (net.Conn, error) {
	select {
	case nc := <-o.conns:
		return nc, nil
	case <-o.closed:
	}
	select { // what was offered before the end is still served
	case nc := <-o.conns:
		return nc, nil
	default:
		return nil, io.EOF
	}
}

// Close implements net.Listener.
func (o *offered) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended {
		o.ended = true
		close(o.closed)
	}
	return nil
}

// Addr implements net.Listener.
func (o *offered) Addr() net.Addr { return offeredAddr{} }

type offeredAddr struct{}

func (offeredAddr) Network() string { return "tcp" }
func (offeredAddr) String() string  { return "handed over" }

// fasthttpLogger carries fasthttp's own lines, which are about single
// connections, to level debug.
type fasthttpLogger struct{ log *slog.Logger }

func (l fasthttpLogger) Printf(format string, args ...any) {
	if !l.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	for i, a := range args {
		if err, ok := a.(error); ok {
			args[i] = withoutRequest(err)
		}
	}
	l.log.Debug("http: " + fmt.Sprintf(format, args...))
}

// withoutRequest tells an error of fasthttp without what was read: its texts
// quote the request, tokens and all.
func withoutRequest(err error) error {
	var network *net.OpError
	if errors.As(err, &network) {
		return network
	}
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, fasthttp.ErrBodyTooLarge, fasthttp.ErrSmallReadBuffer} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errMalformed
}

var errMalformed = errors.New("malformed request")
