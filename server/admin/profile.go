package admin

import (
	"strconv"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/pprofhandler"
)

// profiles are the profiles of the process that callers may take. The command line is not among them: it can hold
// secrets.
var profiles = map[string]bool{"profile": true, "trace": true, "heap": true, "allocs": true, "goroutine": true}

// maxProfileSeconds bounds how long one profile takes; a trace or a CPU profile costs CPU all the while.
const maxProfileSeconds = 60

// profile answers GET /debug/pprof/{profile} in the format of go tool pprof and go tool trace. One call at a time: there
// is one CPU profile in a process, and two goroutine dumps would stop it twice as long. A profile that takes time ends
// early when the server shuts down.
func (a *API) profile(ctx *fasthttp.RequestCtx) {
	if name, _ := ctx.UserValue("profile").(string); !profiles[name] {
		NotFound(ctx)
		return
	}
	if text := ctx.QueryArgs().Peek("seconds"); text != nil {
		if n, err := strconv.Atoi(string(text)); err != nil || n < 1 || n > maxProfileSeconds {
			Problem(ctx, fasthttp.StatusBadRequest, "seconds has to be a number from 1 to "+strconv.Itoa(maxProfileSeconds))
			return
		}
	}
	if !a.profiling.TryLock() {
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, "5")
		Problem(ctx, fasthttp.StatusServiceUnavailable, "another profile is being taken")
		return
	}
	defer a.profiling.Unlock()
	pprofhandler.PprofHandler(ctx)
}
