package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"carillon/cluster"
)

func (a *API) healthz(ctx *fasthttp.RequestCtx) { answer(ctx, []byte(`{"status":"up"}`)) }

func (a *API) readyz(ctx *fasthttp.RequestCtx) {
	if err := a.gateway.Ready(); err != nil {
		Problem(ctx, fasthttp.StatusServiceUnavailable, err.Error())
		return
	}
	answer(ctx, []byte(`{"status":"ready"}`))
}

// accepted tells whether the client takes JSON, or answers 406.
func accepted(ctx *fasthttp.RequestCtx) bool {
	if acceptsJSON(ctx) {
		return true
	}
	Problem(ctx, fasthttp.StatusNotAcceptable, "the answer is "+typeJSON+", which Accept excludes")
	return false
}

// answer is that of a call that asks for something: JSON, for now only.
func answer(ctx *fasthttp.RequestCtx, body []byte) {
	if !accepted(ctx) {
		return
	}
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	ctx.SetContentType(typeJSON)
	ctx.SetBody(body)
}

func (a *API) sendUser(ctx *fasthttp.RequestCtx) {
	user, ok := pathID(ctx)
	if !ok {
		return
	}
	a.push(ctx, false, func(c context.Context, p push, wait bool) (Delivery, error) {
		return a.gateway.PushUser(c, user, p.message, wait)
	})
}

func (a *API) sendUsers(ctx *fasthttp.RequestCtx) {
	a.push(ctx, true, func(c context.Context, p push, wait bool) (Delivery, error) {
		if len(p.users) == 0 {
			return Delivery{Complete: true}, nil
		}
		return a.gateway.PushUsers(c, p.users, p.message, wait)
	})
}

func (a *API) sendSession(ctx *fasthttp.RequestCtx) {
	id, ok := pathID(ctx)
	if !ok {
		return
	}
	a.push(ctx, false, func(c context.Context, p push, wait bool) (Delivery, error) {
		return a.gateway.PushSession(c, id, p.message, wait)
	})
}

func (a *API) broadcast(ctx *fasthttp.RequestCtx) {
	a.push(ctx, false, func(c context.Context, p push, wait bool) (Delivery, error) {
		return a.gateway.Broadcast(c, p.message, wait)
	})
}

func (a *API) kickUser(ctx *fasthttp.RequestCtx) {
	user, ok := pathID(ctx)
	if !ok {
		return
	}
	a.call(ctx, func(c context.Context, wait bool) (Delivery, error) {
		return a.gateway.KickUser(c, user, wait)
	})
}

func (a *API) kickSession(ctx *fasthttp.RequestCtx) {
	id, ok := pathID(ctx)
	if !ok {
		return
	}
	a.call(ctx, func(c context.Context, wait bool) (Delivery, error) {
		return a.gateway.KickSession(c, id, wait)
	})
}

func (a *API) heartbeatCheck(ctx *fasthttp.RequestCtx) {
	a.call(ctx, func(c context.Context, _ bool) (Delivery, error) {
		return a.gateway.CheckHeartbeats(c)
	})
}

// pathID returns the {id} of the path, decoded, or answers 400. The string may be kept.
func pathID(ctx *fasthttp.RequestCtx) (string, bool) {
	raw, _ := ctx.UserValue("id").(string)
	id, err := url.PathUnescape(raw)
	if err != nil || !utf8.ValidString(id) {
		Problem(ctx, fasthttp.StatusBadRequest, "the id in the path is not percent-encoded UTF-8")
		return "", false
	}
	return strings.Clone(id), true
}

// push reads the body of a push call and makes the call.
func (a *API) push(ctx *fasthttp.RequestCtx, withUsers bool, deliver func(context.Context, push, bool) (Delivery, error)) {
	body, ok := a.jsonBody(ctx)
	if !ok {
		return
	}
	p, err := parsePush(body, withUsers)
	if err != nil {
		Problem(ctx, fasthttp.StatusBadRequest, err.Error())
		return
	}
	a.call(ctx, func(c context.Context, wait bool) (Delivery, error) { return deliver(c, p, wait) })
}

// jsonBody returns the body of a call that has one in JSON, or answers why not. It is valid until the handler returns.
func (a *API) jsonBody(ctx *fasthttp.RequestCtx) ([]byte, bool) {
	if !isJSON(ctx.Request.Header.ContentType()) {
		ctx.Response.Header.Set(fasthttp.HeaderAccept, "application/json, application/*+json")
		Problem(ctx, fasthttp.StatusUnsupportedMediaType, "the body must be JSON in UTF-8, and Content-Type must say so")
		return nil, false
	}
	if coding := ctx.Request.Header.ContentEncoding(); len(coding) > 0 && !strings.EqualFold(string(coding), "identity") {
		ctx.Response.Header.Set(fasthttp.HeaderAcceptEncoding, "identity")
		Problem(ctx, fasthttp.StatusUnsupportedMediaType, "the body must not be compressed")
		return nil, false
	}
	body, err := a.body(ctx)
	switch {
	case err == nil:
		return body, true
	case errors.Is(err, ErrTooLarge):
		// What is left of it is not worth reading.
		ctx.SetConnectionClose()
		Problem(ctx, fasthttp.StatusRequestEntityTooLarge, "the body is longer than "+strconv.Itoa(a.maxBody)+" bytes")
	default:
		Problem(ctx, fasthttp.StatusBadRequest, "the body did not arrive whole")
	}
	return nil, false
}

// body returns the request's body, or [ErrTooLarge]. It works for a server that streams bodies too, where the limit
// of the server itself does not count.
func (a *API) body(ctx *fasthttp.RequestCtx) ([]byte, error) {
	if ctx.Request.Header.ContentLength() > a.maxBody {
		return nil, ErrTooLarge
	}
	body := ctx.Request.Body
	if stream := ctx.RequestBodyStream(); stream != nil {
		a.reading(ctx.Conn(), true)
		read, err := io.ReadAll(io.LimitReader(stream, int64(a.maxBody)+1))
		a.reading(ctx.Conn(), false)
		if err != nil {
			return nil, err
		}
		body = func() []byte { return read }
	}
	if len(body()) > a.maxBody {
		return nil, ErrTooLarge
	}
	return body(), nil
}

// call makes a call to the gateway and answers with what came of it: an empty 200 as the reference, or its numbers if
// the client prefers them.
func (a *API) call(ctx *fasthttp.RequestCtx, do func(c context.Context, wait bool) (Delivery, error)) {
	wait := wantsRepresentation(ctx)
	// The request's own context ends with the server, not with the request, and must not be used after it.
	c, cancel := context.WithTimeout(context.Background(), a.timeout)
	defer cancel()
	delivery, err := do(c, wait)
	if err != nil {
		a.fail(ctx, err)
		return
	}
	if !wait {
		done(ctx)
		return
	}
	ctx.Response.Header.Set("Preference-Applied", "return=representation")
	ctx.SetContentType(typeJSON)
	ctx.SetBody(encode(delivery))
}

const (
	// retrySeconds is when a client may come again after a full queue: queues drain within fractions of a second.
	retrySeconds = "1"
	// awaySeconds is when it may after Redis or RabbitMQ were not reached: a restart or a failover takes some seconds.
	awaySeconds = "5"
)

// fail answers a call that the gateway did not take.
func (a *API) fail(ctx *fasthttp.RequestCtx, err error) {
	switch {
	case errors.Is(err, ErrTooLarge):
		Problem(ctx, fasthttp.StatusRequestEntityTooLarge, "the message is longer than the gateway sends")
	case errors.Is(err, ErrBusy):
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, retrySeconds)
		Problem(ctx, fasthttp.StatusServiceUnavailable, "the gateway is busy, try again")
	case errors.Is(err, cluster.ErrOutboxFull):
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, awaySeconds)
		Problem(ctx, fasthttp.StatusServiceUnavailable, "the outbox is full: RabbitMQ is not reached or too slow, so that the call was done on this node only")
	case errors.Is(err, cluster.ErrAway):
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, awaySeconds)
		Problem(ctx, fasthttp.StatusServiceUnavailable, "the cluster is away, so that the call may have been done on this node only")
	case errors.Is(err, ErrClosing):
		ctx.SetConnectionClose()
		Problem(ctx, fasthttp.StatusServiceUnavailable, "this node is shutting down, use another one")
	case errors.Is(err, context.DeadlineExceeded):
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, retrySeconds)
		Problem(ctx, fasthttp.StatusServiceUnavailable, "the call did not finish in time, it may have been done in part")
	default:
		if a.warnings.Allow() {
			a.log.Error("admin call failed", slog.Any("error", err))
		}
		Problem(ctx, fasthttp.StatusInternalServerError, "the call failed, see the log of the server")
	}
}
