package admin

import (
	"bytes"
	"log/slog"
	"runtime/debug"
	"strconv"

	"github.com/valyala/fasthttp"
)

// endpoint is one path with what its methods do; a method without a handler is not allowed.
type endpoint struct {
	path string
	// get answers HEAD too.
	get, post fasthttp.RequestHandler
	// public endpoints are open to everybody.
	public bool
}

// preflightSeconds is how long a browser may remember that a call is allowed.
const preflightSeconds = 600

// serve is what all endpoints have in common: access, methods, and a stop for panics, of which one would end the
// process with all its connections.
func (a *API) serve(e endpoint) fasthttp.RequestHandler {
	handlers := map[string]fasthttp.RequestHandler{}
	allow := ""
	if e.get != nil {
		handlers[fasthttp.MethodGet], handlers[fasthttp.MethodHead] = e.get, e.get
		allow = "GET, HEAD, "
	}
	if e.post != nil {
		handlers[fasthttp.MethodPost] = e.post
		allow += "POST, "
	}
	allow += "OPTIONS"
	return func(ctx *fasthttp.RequestCtx) {
		defer func() {
			if v := recover(); v != nil {
				a.log.Error("admin call panicked", slog.String("path", e.path), slog.Any("panic", v),
					slog.String("stack", string(debug.Stack())))
				Problem(ctx, fasthttp.StatusInternalServerError, "the call failed, see the log of the server")
			}
		}()
		// fasthttp takes a target that begins with two slashes for one with a host in it, if it contains "://" or the
		// request has no Host, and finds the path behind it.
		if bytes.HasPrefix(ctx.Request.Header.RequestURI(), []byte("//")) {
			NotFound(ctx)
			return
		}
		method := string(ctx.Method())
		options := method == fasthttp.MethodOptions
		if !e.public {
			if r := a.access.check(ctx, options); r.status != 0 {
				a.refuse(ctx, e, r)
				return
			}
		}
		if options {
			ctx.Response.Header.Set(fasthttp.HeaderAllow, allow)
			if len(ctx.Request.Header.Peek(fasthttp.HeaderAccessControlRequestMethod)) > 0 {
				ctx.Response.Header.Set(fasthttp.HeaderAccessControlAllowMethods, allow)
				ctx.Response.Header.Set(fasthttp.HeaderAccessControlAllowHeaders, "Authorization, Content-Type, Prefer")
				ctx.Response.Header.Set(fasthttp.HeaderAccessControlMaxAge, strconv.Itoa(preflightSeconds))
			}
			done(ctx)
			return
		}
		handle, ok := handlers[method]
		if !ok {
			ctx.Response.Header.Set(fasthttp.HeaderAllow, allow)
			MethodNotAllowed(ctx)
			return
		}
		handle(ctx)
	}
}

// refuse answers a call that is not let in. The log gets the endpoint and the peer, never what was presented.
func (a *API) refuse(ctx *fasthttp.RequestCtx, e endpoint, r refusal) {
	if r.challenge != "" {
		ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, r.challenge)
	}
	Problem(ctx, r.status, r.detail)
	if a.warnings.Allow() {
		a.log.Warn("admin call refused", slog.String("path", e.path), slog.Int("status", r.status),
			slog.String("reason", r.detail), slog.String("peer", ctx.RemoteAddr().String()))
	}
}

// done answers 200 with an empty body.
func done(ctx *fasthttp.RequestCtx) { ctx.SetStatusCode(fasthttp.StatusOK) }
