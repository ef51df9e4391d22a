package admin

import (
	"encoding/json"
	"errors"
	"net"

	"github.com/valyala/fasthttp"
)

const (
	typeJSON    = "application/json"
	typeProblem = "application/problem+json"
)

// problem is the body of every error answer (RFC 9457). The type is always "about:blank": status and detail say it
// all, and the title is then the status phrase (section 4.2.1).
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail,omitempty"`
	Instance string `json:"instance,omitempty"`
}

// Problem answers with a problem of RFC 9457; its instance is the path of the request, without the query, which may
// hold a token. detail is shown to the client. Headers set before, such as Allow, stay.
func Problem(ctx *fasthttp.RequestCtx, status int, detail string) {
	writeProblem(ctx, status, detail, instance(requestPath(ctx)))
}

func writeProblem(ctx *fasthttp.RequestCtx, status int, detail, path string) {
	body, err := json.Marshal(problem{"about:blank", fasthttp.StatusMessage(status), status, detail, path})
	if err != nil {
		panic("BUG: a problem cannot be encoded: " + err.Error())
	}
	ctx.SetStatusCode(status)
	ctx.SetContentType(typeProblem)
	ctx.SetBody(body)
}

// NotFound answers with 404.
func NotFound(ctx *fasthttp.RequestCtx) {
	Problem(ctx, fasthttp.StatusNotFound, "there is nothing at this path")
}

// MethodNotAllowed answers with 405. The Allow header is the caller's to set; fasthttp/router does so.
func MethodNotAllowed(ctx *fasthttp.RequestCtx) {
	Problem(ctx, fasthttp.StatusMethodNotAllowed, "this method cannot be used here, see Allow")
}

// ErrorHandler answers requests that never reach a handler because fasthttp could not read them. It is meant for
// fasthttp.Server.ErrorHandler: fasthttp's own answers 400 to a body over the limit, in plain text.
func ErrorHandler(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	status, detail := fasthttp.StatusBadRequest, "the request is not well-formed HTTP"
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		status, detail = fasthttp.StatusRequestEntityTooLarge, "the request body is too large"
	case errors.As(err, &small):
		status, detail = fasthttp.StatusRequestHeaderFieldsTooLarge, "the request header is too large"
	case errors.As(err, &network) && network.Timeout():
		status, detail = fasthttp.StatusRequestTimeout, "the request did not arrive in time"
	}
	// What was read of the request is no basis for an instance, or for a Connection to keep.
	ctx.Response.Reset()
	writeProblem(ctx, status, detail, "")
	ctx.SetConnectionClose()
}

// requestPath returns the path as the client wrote it, valid until the handler returns.
func requestPath(ctx *fasthttp.RequestCtx) []byte { return ctx.URI().PathOriginal() }

// instance makes a URI reference of a path as it came: what RFC 3986 does not allow in one is percent-encoded.
func instance(path []byte) string {
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(path))
	for _, c := range path {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
			out = append(out, c)
		default:
			switch c {
			case '-', '.', '_', '~', '!', '$', '&', '\'', '(', ')', '*', '+', ',', ';', '=', ':', '@', '/', '%':
				out = append(out, c)
			default:
				out = append(out, '%', hex[c>>4], hex[c&15])
			}
		}
	}
	return string(out)
}
