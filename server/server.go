package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"carillon/cluster"
	"carillon/codec"
	"carillon/netpoll"
	"carillon/server/auth"
	"carillon/server/config"
)

// ErrDrainTimeout is returned by Run when connections were still open at the end
// of server.shutdown-timeout and were cut.
var ErrDrainTimeout = errors.New("server: shutdown timeout reached, connections were cut")

// errLoopsEnded is returned by Run when the event loops ended by themselves.
var errLoopsEnded = errors.New("server: the event loops ended")

// Options are what a program that embeds the gateway can set beside the
// configuration. The zero value works.
type Options struct {
	// Logger gets the server's lines. Default: slog.Default.
	Logger *slog.Logger
	// Version is shown where the server names itself.
	Version string
	// Verifier replaces the one that auth.mode names.
	Verifier auth.Verifier
	// PublicKeyPEM is the content of auth.jwt.public-key-file, for those who have
	// read it already. Without it, New reads the file.
	PublicKeyPEM []byte
	// Presence and Bus replace those that the configuration names. They are closed
	// with the server.
	Presence cluster.Presence
	Bus      cluster.Bus
	// Owner is cluster.Node.Owner, for those who start carillon again when it dies.
	Owner string
	// OnListen is called once with the address that clients can connect to:
	// host:port, or the path of the Unix socket.
	OnListen func(addr string)

	// observe, for tests, stands between the reactor and the gateway.
	observe func(netpoll.Handler) netpoll.Handler
}

// Server is one gateway. Make one with New, register handlers, then Run it once.
type Server struct {
	cfg      config.Config
	opt      Options
	log      *slog.Logger
	verifier auth.Verifier
	ids      sessionIDs
	users    *userIndex
	handlers map[string]*handler
	workers  *workers
	reactor  *netpoll.Reactor
	web      *webServer
	link     *link
	kicks    sync.WaitGroup // spread kicks under way
	warn     warnings
	stats    stats
	born     time.Time

	handlerCtx   context.Context
	stopHandlers context.CancelFunc
	running      atomic.Bool
	draining     atomic.Bool
	runOnce      sync.Once
	listenAddr   atomic.Pointer[string]
}

// stats are counters of the gateway itself; those of the loops are netpoll's.
type stats struct {
	refused, early, badMessages, unknownMessages, bizMessages atomic.Uint64
	overloaded, handlerErrors, handlerPanics                  atomic.Uint64
	remoteDropped                                             atomic.Uint64
}

const demoToken = "Admin@123"

// New checks the configuration (its errors are a config.Errors) and returns a
// Server that does not listen yet. Start from config.Default or config.Load.
func New(cfg config.Config, opt Options) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if cfg.Server.NodeID == "" {
		cfg.Server.NodeID = "carillon"
	}
	s := &Server{
		cfg: cfg, opt: opt, log: opt.Logger, verifier: opt.Verifier, born: time.Now(), users: newUserIndex(), handlers: make(map[string]*handler),
	}
	s.ids = newSessionIDs(cfg.Server.NodeID, s.born)
	s.warn.init(s.log)
	s.handlerCtx, s.stopHandlers = context.WithCancel(context.Background())
	s.workers = newWorkers(cfg.WebSocket.HandlerQueue, cfg.WebSocket.HandlerBacklog, s.runJob)
	if s.verifier == nil {
		jwt := auth.JWTOptions{
			Secret: []byte(cfg.Auth.JWT.Secret), PublicKeyFile: cfg.Auth.JWT.PublicKeyFile, Issuer: cfg.Auth.JWT.Issuer,
			Audience: cfg.Auth.JWT.Audience, Leeway: cfg.Auth.JWT.Leeway, UserClaim: cfg.Auth.JWT.UserClaim,
			Algorithms: cfg.Auth.JWT.Algorithms,
		}
		if len(opt.PublicKeyPEM) > 0 {
			jwt.PublicKeyPEM, jwt.PublicKeyFile = opt.PublicKeyPEM, ""
		}
		var err error
		s.verifier, err = auth.New(string(cfg.Auth.Mode), cfg.Auth.Tokens, jwt)
		if err != nil && len(opt.PublicKeyPEM) > 0 {
			err = fmt.Errorf("%s: %w", cfg.Auth.JWT.PublicKeyFile, err)
		}
		if err != nil {
			return nil, fmt.Errorf("auth: %w", err)
		}
	}
	origin, err := codec.OriginMatcher(cfg.WebSocket.AllowedOrigins)
	if err != nil {
		return nil, fmt.Errorf("websocket.allowed-origins: %w", err)
	}
	handler := netpoll.Handler(&gate{s})
	if opt.observe != nil {
		handler = opt.observe(handler)
	}
	s.reactor, err = netpoll.New(s.reactorOptions(origin), handler)
	if err != nil {
		return nil, err
	}
	presence, bus, err := s.openCluster()
	if err != nil {
		return nil, err
	}
	s.link = newLink(s, presence, bus)
	s.sampleHandlers()
	s.web = newWebServer(s)
	return s, nil
}

var uringModes = map[config.IOUring]netpoll.UringMode{
	config.IOUringAuto: netpoll.UringAuto, config.IOUringOn: netpoll.UringOn, config.IOUringOff: netpoll.UringOff,
}

func (s *Server) reactorOptions(origin func(*codec.Request) bool) netpoll.Options {
	cfg := &s.cfg
	mode, _ := strconv.ParseUint(cfg.Server.UnixSocketMode, 8, 32)
	opt := netpoll.Options{
		Host: cfg.Server.Address, Port: cfg.Server.Port, Unix: cfg.Server.UnixSocket, UnixMode: uint32(mode),
		SharePort: cfg.Server.ReusePort, Loops: cfg.Server.EventLoops, MaxConns: cfg.Server.MaxConnections,
		SendBuffer: int(cfg.Server.SocketSendBuffer), Gather: cfg.Server.Gather, Uring: uringModes[cfg.Server.IOUring], MaxHeader: int(cfg.Server.MaxHeaderBytes),
		HandshakeTimeout: cfg.Server.HandshakeTimeout, HeartbeatTimeout: cfg.WebSocket.HeartbeatTimeout,
		PingInterval: cfg.WebSocket.PingInterval, CloseTimeout: cfg.WebSocket.CloseTimeout,
		MaxMessage: int(cfg.WebSocket.MaxMessageBytes), MaxOutbound: int(cfg.WebSocket.MaxOutboundBytes),
		MaxQueued: cfg.WebSocket.MaxQueuedPushes, MaxQueuedBytes: int(cfg.WebSocket.MaxQueuedPushBytes),
		Binary: cfg.WebSocket.Echo, Logger: s.log,
		Policy: codec.Policy{
			Path: cfg.WebSocket.Endpoint, CheckOrigin: origin, Protocols: cfg.WebSocket.Subprotocols,
			Compression: cfg.WebSocket.Compression, Date: func() []byte { return s.reactor.Date() },
		},
	}
	if cfg.WebSocket.Echo {
		// Echoing a message whole must not make its sender a slow consumer.
		opt.MaxOutbound = max(opt.MaxOutbound, 4*opt.MaxMessage)
	}
	return opt
}

// NodeID returns the name of this node.
func (s *Server) NodeID() string { return s.cfg.Server.NodeID }

// Addr returns the address that clients connect to, "" before it is listened on.
// Any goroutine.
func (s *Server) Addr() string {
	if a := s.listenAddr.Load(); a != nil {
		return *a
	}
	return ""
}

// Ready returns nil when clients can be served, else why not. Any goroutine.
func (s *Server) Ready() error {
	switch {
	case s.draining.Load():
		return errors.New("draining")
	case !s.running.Load() || s.listenAddr.Load() == nil: // admin.listen answers before the port does
		return errors.New("not listening")
	}
	return s.link.ready()
}

// Run listens and serves until ctx ends, then drains: it stops listening, closes
// every session with 1001 spread over server.drain-window, lets handlers and
// requests finish, and returns nil. ErrDrainTimeout means that
// server.shutdown-timeout cut that short, cluster.ErrNodeTaken that another node
// has this node's id; another error that it could not listen (it wraps EADDRINUSE
// when the address is in use) or that the event loops failed. A Server runs once.
func (s *Server) Run(ctx context.Context) error {
	err := errors.New("server: Run was called before")
	s.runOnce.Do(func() { err = s.run(ctx) })
	return err
}

func (s *Server) run(ctx context.Context) error {
	defer s.stopHandlers()
	if err := s.web.listen(); err != nil {
		return fmt.Errorf("admin.listen: %w", err)
	}
	s.running.Store(true)
	n := s.cfg.WebSocket.HandlerWorkers
	if n <= 0 {
		n = 32 * runtime.GOMAXPROCS(0)
	}
	s.workers.start(s.handlerCtx, n)
	s.web.start()
	if err := s.reactor.Start(); err != nil {
		s.running.Store(false)
		s.stopRest()
		return err
	}
	addr := s.cfg.Server.UnixSocket
	if addr == "" {
		addr = net.JoinHostPort(s.cfg.Server.Address, strconv.Itoa(s.reactor.Port()))
	}
	s.listenAddr.Store(&addr)
	s.announce(addr)
	s.link.start(context.Background(), cluster.Node{
		ID: s.cfg.Server.NodeID, Tag: s.ids.tag, Owner: s.opt.Owner, Version: s.opt.Version, Address: addr, Started: s.born,
	})
	if s.opt.OnListen != nil {
		s.opt.OnListen(addr)
	}
	var background sync.WaitGroup
	defer background.Wait()
	background.Go(func() { s.reclaim(s.handlerCtx) })

	select {
	case <-ctx.Done():
		return s.drain()
	case err := <-s.link.taken:
		s.log.Error("another node has this node's id, leaving", "node", s.cfg.Server.NodeID, "err", err)
		return errors.Join(err, s.drain())
	case <-s.reactor.Done():
		s.running.Store(false)
		s.stopRest()
		_ = s.reactor.Stop()
		return errLoopsEnded
	}
}

// announce logs what an operator must know about this start.
func (s *Server) announce(addr string) {
	cfg := &s.cfg
	if cfg.WebSocket.Echo {
		s.log.Warn("echo mode: every message is sent back, tokens are not asked for; for conformance runs only")
	} else if cfg.Auth.Mode == config.AuthDemo && s.opt.Verifier == nil {
		s.log.Warn("auth.mode is demo: anybody can connect as user 10001 with the published token; set auth.mode to static or jwt")
	}
	if cfg.Admin.Open {
		s.log.Warn("admin.open is true: anybody who reaches this port can push and kick, web pages included")
	}
	if cfg.Server.ReusePort && s.link.alone {
		s.log.Warn("server.reuse-port is true: pushes and counts are those of this process alone, other processes on the port have their own")
	}
	if n := cfg.Server.MaxConnections; n > s.reactor.MaxConns() {
		s.log.Warn("server.max-connections is more than the limit of open files allows", "asked", n, "in_force", s.reactor.MaxConns())
	}
	s.log.Info("serving", "addr", addr, "endpoint", cfg.WebSocket.Endpoint, "node", cfg.Server.NodeID, "version", s.opt.Version,
		"loops", s.reactor.Loops(), "max_connections", s.reactor.MaxConns(), "pid", os.Getpid())
}

// drain ends the server within server.shutdown-timeout.
func (s *Server) drain() error {
	start := time.Now()
	s.draining.Store(true)
	most := s.cfg.Server.ShutdownTimeout - s.leaveTime()
	window := min(s.cfg.Server.DrainWindow, most-most/10) // the last ones have time to answer
	s.log.Info("draining", "sessions", s.SessionCount(), "window", window)
	ctx, whole, cancel := s.shutdownTime()
	defer cancel()
	var httpErr error
	var http sync.WaitGroup
	http.Go(func() { httpErr = s.web.stop(ctx) })
	drainErr := s.reactor.Drain(ctx, window)
	http.Wait()
	left := s.SessionCount()
	handlersErr := s.workers.close(ctx)
	s.leaveCluster(whole)
	s.running.Store(false)
	if err := s.reactor.Stop(); err != nil {
		s.log.Warn("event loops did not end cleanly", "err", err)
	}
	if drainErr != nil || httpErr != nil || handlersErr != nil {
		s.log.Warn("shutdown timeout reached", "sessions", left, "connections", drainErr, "http", httpErr, "handlers", handlersErr)
		return ErrDrainTimeout
	}
	s.log.Info("stopped", "took", time.Since(start).Round(time.Millisecond))
	return nil
}

// stopRest ends what runs beside the reactor when that failed. Handlers and
// requests have server.shutdown-timeout to finish, as they do in a drain.
func (s *Server) stopRest() {
	ctx, whole, cancel := s.shutdownTime()
	defer cancel()
	_ = s.web.stop(ctx)
	_ = s.workers.close(ctx)
	s.leaveCluster(whole)
}

// leaveTime is what a node of a cluster keeps of server.shutdown-timeout to leave in, whatever
// clients and handlers did with the rest: else others take it for alive until its lease runs out,
// and what it has for them goes nowhere.
func (s *Server) leaveTime() time.Duration {
	if s.link.alone {
		return 0
	}
	return min(5*time.Second, s.cfg.Server.ShutdownTimeout/4)
}

// shutdownTime begins server.shutdown-timeout: ctx ends when connections, requests and
// handlers have had theirs, whole when the cluster has, too.
func (s *Server) shutdownTime() (ctx, whole context.Context, cancel context.CancelFunc) {
	end := time.Now().Add(s.cfg.Server.ShutdownTimeout)
	whole, cancelWhole := context.WithDeadline(context.Background(), end)
	ctx, cancelPart := context.WithDeadline(whole, end.Add(-s.leaveTime()))
	return ctx, whole, func() { cancelPart(); cancelWhole() }
}

// leaveCluster ends what this node does with others. What it cannot take back now,
// since Redis or RabbitMQ is away, goes when its lease and its queue run out.
func (s *Server) leaveCluster(ctx context.Context) {
	s.stopHandlers() // Spread kicks too.
	if err := s.link.leave(ctx); err != nil {
		s.log.Warn("the cluster was not left cleanly, others will clean up", "err", err)
	}
	s.kicks.Wait() // Nobody is left who could begin one.
}
