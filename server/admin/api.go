package admin

import (
	"log/slog"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
)

const (
	// DefaultMaxBody is the longest request body unless Options says otherwise: fasthttp's own limit.
	DefaultMaxBody = 4 << 20
	// DefaultTimeout bounds one call to the gateway unless Options says otherwise.
	DefaultTimeout = 5 * time.Second
)

// Options says who may call, and how much. The zero value lets local programs in, and nobody else.
type Options struct {
	// Tokens are the accepted bearer tokens. When there are any, every call needs one, a local one too.
	Tokens []string
	// Open lets everybody in, whatever the other fields say, as the reference does.
	Open bool
	// AllowedOrigins are the origins of pages that may call, such as "https://ops.example.com"; "*" in a host stands
	// for one or more of its labels, "*" alone for every origin.
	AllowedOrigins []string
	// MaxBody is the longest request body in bytes. Zero: [DefaultMaxBody].
	MaxBody int
	// Timeout bounds one call to the gateway, waiting for deliveries included. Zero: [DefaultTimeout].
	Timeout time.Duration
	// Logger gets refused and failed calls, at a bounded rate. Nil: nothing is logged.
	Logger *slog.Logger
}

// API is the set of HTTP endpoints in front of one [Gateway]. Any goroutine.
type API struct {
	gateway Gateway
	opt     Options
}

// New returns the endpoints for g.
func New(g Gateway, opt Options) *API { return &API{gateway: g, opt: opt} }

// Handler returns a handler that serves the endpoints and answers every other path with 404.
func (a *API) Handler() fasthttp.RequestHandler { return NotFound }

// Register adds the endpoints to r, beside other routes. It switches off the router's redirects.
func (a *API) Register(r *router.Router) {}

// NotFound answers with 404.
func NotFound(ctx *fasthttp.RequestCtx) {
	Problem(ctx, fasthttp.StatusNotFound, "there is nothing at this path")
}

// MethodNotAllowed answers with 405. The Allow header is the caller's to set; fasthttp/router does so.
func MethodNotAllowed(ctx *fasthttp.RequestCtx) {
	Problem(ctx, fasthttp.StatusMethodNotAllowed, "the method cannot be used here, see Allow")
}

// ErrorHandler answers requests that fasthttp itself refuses (fasthttp.Server.ErrorHandler).
func ErrorHandler(ctx *fasthttp.RequestCtx, err error) {
	Problem(ctx, fasthttp.StatusBadRequest, "bad request")
}

// Problem answers with an RFC 9457 problem. detail is shown to the client.
func Problem(ctx *fasthttp.RequestCtx, status int, detail string) { ctx.Error(detail, status) }
