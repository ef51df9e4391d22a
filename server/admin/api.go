package admin

import (
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
	"golang.org/x/time/rate"
)

const (
	// DefaultMaxBody is the longest request body unless Options says otherwise: fasthttp's own limit.
	DefaultMaxBody = 4 << 20
	// DefaultTimeout bounds one call to the gateway unless Options says otherwise: long enough for a cluster under
	// load, short enough for the usual time-outs of 10 s and more on the other side.
	DefaultTimeout = 5 * time.Second
)

// Options says who may call, and how much. The zero value lets programs on the same machine in, and nobody else.
type Options struct {
	// Tokens are the accepted bearer tokens. When there are any, every call needs one, a local one too.
	Tokens []string
	// Open lets everybody in, pages of foreign origins included, as the reference does. It overrides Tokens.
	Open bool
	// AllowedOrigins are the origins of pages that may call, such as "https://ops.example.com"; a "*" in one stands for
	// any part of the host or the port, "*" alone for every origin.
	AllowedOrigins []string
	// MaxBody is the longest request body in bytes. Zero: [DefaultMaxBody]. The server in front has a limit of its own,
	// fasthttp.Server.MaxRequestBodySize, which has to be as large.
	MaxBody int
	// Timeout bounds one call to the gateway, waiting for deliveries included. Zero: [DefaultTimeout].
	Timeout time.Duration
	// Reading is called with true before the rest of a body is waited for, which a server that streams bodies gives to
	// endpoints, and with false when it has come or is given up. Nil: nobody wants to know.
	Reading func(conn net.Conn, reading bool)
	// Metrics answers GET /metrics, under the same rules of access. Nil: there is no such path.
	Metrics fasthttp.RequestHandler
	// Logger gets refused and failed calls, at a bounded rate. Nil: nothing is logged.
	Logger *slog.Logger
}

// API is the set of HTTP endpoints in front of one [Gateway]. Any goroutine.
type API struct {
	gateway Gateway
	access  *access
	maxBody int
	timeout time.Duration
	reading func(net.Conn, bool)
	metrics fasthttp.RequestHandler
	log     *slog.Logger
	// warnings bounds the rate of log lines, which clients bring about.
	warnings *rate.Limiter
	// profiling is held while a profile is taken.
	profiling sync.Mutex
}

// New returns the endpoints for g.
func New(g Gateway, opt Options) *API {
	if opt.MaxBody <= 0 {
		opt.MaxBody = DefaultMaxBody
	}
	if opt.Timeout <= 0 {
		opt.Timeout = DefaultTimeout
	}
	if opt.Reading == nil {
		opt.Reading = func(net.Conn, bool) {}
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	return &API{
		gateway:  g,
		access:   newAccess(opt),
		maxBody:  opt.MaxBody,
		timeout:  opt.Timeout,
		reading:  opt.Reading,
		metrics:  opt.Metrics,
		log:      opt.Logger,
		warnings: rate.NewLimiter(1, 10),
	}
}

// Handler returns a handler that serves the endpoints and answers every other path with 404.
func (a *API) Handler() fasthttp.RequestHandler {
	r := router.New()
	r.NotFound = NotFound
	a.Register(r)
	return r.Handler
}

// Register adds the endpoints to r, beside the routes of others. It switches off r's redirects: a path with a trailing
// slash, or in another case, is another path, and answered by r.NotFound. Methods are the endpoints' own business, so
// that r's settings for OPTIONS and 405 do not concern them.
func (a *API) Register(r *router.Router) {
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	endpoints := []endpoint{
		{path: "/websocket/online/count", get: a.onlineCount},
		{path: "/websocket/online/session/count", get: a.sessionCount},
		{path: "/websocket/online/users", get: a.onlineUsers, post: a.queryUsers},
		{path: "/websocket/online/users/{id}", get: a.onlineUser},
		{path: "/websocket/online/nodes", get: a.onlineNodes},
		{path: "/websocket/online/sessions", get: a.onlineSessions},
		{path: "/websocket/send/user/{id}", post: a.sendUser},
		{path: "/websocket/send/users", post: a.sendUsers},
		{path: "/websocket/send/session/{id}", post: a.sendSession},
		{path: "/websocket/broadcast", post: a.broadcast},
		{path: "/websocket/kick/user/{id}", post: a.kickUser},
		{path: "/websocket/kick/session/{id}", post: a.kickSession},
		{path: "/websocket/kick/all", post: a.kickAll},
		{path: "/websocket/heartbeat/check", post: a.heartbeatCheck},
		{path: "/healthz", get: a.healthz, public: true},
		{path: "/readyz", get: a.readyz, public: true},
	}
	if a.metrics != nil {
		endpoints = append(endpoints, endpoint{path: "/metrics", get: a.metrics})
	}
	if !a.access.open { // what a profile shows, and what it costs, is for admins
		endpoints = append(endpoints, endpoint{path: "/debug/pprof/{profile}", get: a.profile})
	}
	for _, e := range endpoints {
		r.ANY(e.path, a.serve(e))
	}
}
