package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/valyala/fasthttp"
)

// access decides who may call.
type access struct {
	open bool
	// tokens are the digests of the accepted bearer tokens; comparing digests shows neither content nor length.
	tokens [][sha256.Size]byte
	// guarded says that a token is needed. It is true even if all the configured ones are blank, and a header cannot
	// present a blank one: an empty setting must not open the door.
	guarded bool
	// origins match the Origin of pages that may call; anyOrigin stands for "*".
	origins   []*regexp.Regexp
	anyOrigin bool
	// hostname is the machine's own name, which a local program may use for it.
	hostname string
}

func newAccess(opt Options) *access {
	a := &access{open: opt.Open, guarded: len(opt.Tokens) > 0}
	for _, token := range opt.Tokens {
		a.tokens = append(a.tokens, sha256.Sum256([]byte(token)))
	}
	for _, pattern := range opt.AllowedOrigins {
		if pattern == "*" {
			a.anyOrigin = true
			continue
		}
		// A * stands for part of a host or a port, never for a piece that contains a slash or an @.
		quoted := regexp.QuoteMeta(strings.ToLower(strings.TrimSuffix(pattern, "/")))
		quoted = strings.ReplaceAll(quoted, `\*`, `[a-z0-9._-]+`)
		a.origins = append(a.origins, regexp.MustCompile("^"+quoted+"$"))
	}
	if name, err := os.Hostname(); err == nil {
		a.hostname = strings.ToLower(name)
	}
	return a
}

// A refusal says why a call is not let in. The zero value lets it in.
type refusal struct {
	status int
	detail string
	// challenge is the WWW-Authenticate header of a 401.
	challenge string
}

// The refusals there are.
var (
	refusedOrigin = refusal{status: fasthttp.StatusForbidden, detail: "calls of pages of this origin are not allowed"}
	refusedPeer   = refusal{status: fasthttp.StatusForbidden, detail: "no admin token is configured, so that only " +
		"programs on this machine may call, directly"}
	refusedHost = refusal{status: fasthttp.StatusForbidden, detail: "no admin token is configured, so that the host has " +
		"to be addressed as localhost or by a loopback address"}
	noToken = refusal{status: fasthttp.StatusUnauthorized, detail: "a bearer token is needed",
		challenge: `Bearer realm="carillon"`}
	badToken = refusal{status: fasthttp.StatusUnauthorized, detail: "the bearer token is not accepted",
		challenge: `Bearer realm="carillon", error="invalid_token"`} // RFC 6750 section 3.1
)

// check decides on one request. preflight leaves the token out: a browser asks with OPTIONS first, without one.
//
// A page whose origin is allowed gets the CORS header it needs to read the answer, whatever the answer is.
func (a *access) check(ctx *fasthttp.RequestCtx, preflight bool) refusal {
	origin, present, ok := a.origin(ctx)
	if present && ok {
		ctx.Response.Header.Set(fasthttp.HeaderAccessControlAllowOrigin, origin)
		ctx.Response.Header.Set(fasthttp.HeaderAccessControlExposeHeaders, "Allow, Preference-Applied, Retry-After, WWW-Authenticate")
		ctx.Response.Header.Add(fasthttp.HeaderVary, fasthttp.HeaderOrigin)
	}
	switch {
	case a.open:
		return refusal{}
	case present && !ok:
		return refusedOrigin
	case a.guarded && preflight:
		return refusal{}
	case a.guarded:
		return a.checkToken(ctx)
	default:
		return a.checkLocal(ctx)
	}
}

// checkToken looks for one of the tokens in the Authorization header. The scheme is not case-sensitive (RFC 9110
// section 11.1).
func (a *access) checkToken(ctx *fasthttp.RequestCtx) refusal {
	lines := ctx.Request.Header.PeekAll(fasthttp.HeaderAuthorization)
	if len(lines) == 0 {
		return noToken
	}
	scheme, token, ok := strings.Cut(strings.Trim(string(lines[0]), " \t"), " ")
	if !ok || len(lines) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return noToken
	}
	digest := sha256.Sum256([]byte(strings.Trim(token, " \t")))
	match := 0
	for i := range a.tokens {
		match |= subtle.ConstantTimeCompare(digest[:], a.tokens[i][:])
	}
	if match != 1 {
		return badToken
	}
	return refusal{}
}

// checkLocal lets in what comes from this machine and speaks for itself.
func (a *access) checkLocal(ctx *fasthttp.RequestCtx) refusal {
	local, unix := peer(ctx.RemoteAddr())
	switch {
	case !local || forwarded(ctx):
		return refusedPeer
	// No browser reaches a Unix socket, so there any Host will do.
	case !unix && !a.localHost(ctx.Request.Header.Host()):
		return refusedHost
	}
	return refusal{}
}

// peer tells whether an address is of this machine, and whether it is of a Unix socket.
func peer(addr net.Addr) (local, unix bool) {
	switch addr := addr.(type) {
	case nil:
		return false, false
	case *net.TCPAddr:
		return addr.IP.IsLoopback(), false
	case *net.UnixAddr:
		return true, true
	}
	if strings.HasPrefix(addr.Network(), "unix") {
		return true, true
	}
	ap, err := netip.ParseAddrPort(addr.String())
	return err == nil && ap.Addr().Unmap().IsLoopback(), false
}

// forwardingHeaders tell that the request was made for somebody else; the X-Forwarded-, X-Original- and CF- families
// are matched by their beginning.
var forwardingHeaders = map[string]bool{
	"cdn-loop":                 true,
	"client-ip":                true,
	"fastly-client-ip":         true,
	"fly-client-ip":            true,
	"forwarded":                true,
	"proxy-client-ip":          true,
	"true-client-ip":           true,
	"via":                      true,
	"wl-proxy-client-ip":       true,
	"x-appengine-user-ip":      true,
	"x-azure-clientip":         true,
	"x-client-ip":              true,
	"x-cluster-client-ip":      true,
	"x-envoy-external-address": true,
	"x-forwarded":              true,
	"x-proxyuser-ip":           true,
	"x-real-ip":                true,
	"x-remote-addr":            true,
	"x-remote-ip":              true,
}

// forwarded tells whether the request carries a forwarding header, with whatever value, an empty one too.
func forwarded(ctx *fasthttp.RequestCtx) bool {
	for key := range ctx.Request.Header.All() {
		name := strings.ReplaceAll(strings.ToLower(string(key)), "_", "-")
		if forwardingHeaders[name] || strings.HasPrefix(name, "x-forwarded-") ||
			strings.HasPrefix(name, "x-original-") || strings.HasPrefix(name, "cf-") {
			return true
		}
	}
	return false
}

// localHost tells whether a Host header names this machine in a way that a foreign page cannot bring about: a loopback
// address, a name that browsers resolve to one themselves (RFC 6761 section 6.3), or the machine's own name. No Host at
// all comes from no browser.
func (a *access) localHost(host []byte) bool {
	if len(host) == 0 {
		return true
	}
	name, _ := splitHost(strings.ToLower(string(host)))
	return loopbackHost(name) || a.hostname != "" && name == a.hostname
}

// loopbackHost tells whether a host, in lower case, is a loopback name or address.
func loopbackHost(name string) bool {
	name = strings.TrimSuffix(name, ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// splitHost cuts the port off a Host header or the authority of a URL; an IPv6 address keeps its brackets.
func splitHost(host string) (name, port string) {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && i > strings.LastIndexByte(host, ']') {
		return host[:i], host[i+1:]
	}
	return host, ""
}

// origin returns the Origin header, whether there is one, and whether its pages may call: it is configured, or it is
// this server itself. Several are never allowed.
func (a *access) origin(ctx *fasthttp.RequestCtx) (origin string, present, ok bool) {
	lines := ctx.Request.Header.PeekAll(fasthttp.HeaderOrigin)
	if len(lines) == 0 {
		return "", false, true
	}
	origin = string(lines[0])
	if len(lines) > 1 {
		return origin, true, false
	}
	if a.anyOrigin {
		return origin, true, true
	}
	// What is no origin (RFC 6454 section 7) is none that could be allowed: "null", or a URL with a path or a user.
	parsed, err := url.Parse(strings.ToLower(origin))
	if err != nil || parsed.Scheme == "" || parsed.Host == "" || parsed.Scheme+"://"+parsed.Host != strings.ToLower(origin) {
		return origin, true, false
	}
	for _, pattern := range a.origins {
		if pattern.MatchString(parsed.Scheme + "://" + parsed.Host) {
			return origin, true, true
		}
	}
	return origin, true, a.sameOrigin(ctx, parsed.Scheme, parsed.Host)
}

// sameOrigin tells whether an origin is that of this server.
//
// With tokens the scheme is not compared: behind a proxy that ends TLS, the page's is https and ours http, and a page
// gets nowhere without a token anyhow. Without tokens it is, and the host has to be a loopback one: for a page of
// evil.example that resolves to 127.0.0.1 the Host header says evil.example too.
func (a *access) sameOrigin(ctx *fasthttp.RequestCtx, scheme, authority string) bool {
	if scheme != "http" && scheme != "https" {
		return false
	}
	name, port := splitHost(authority)
	ownName, ownPort := splitHost(strings.ToLower(string(ctx.Request.Header.Host())))
	if name != ownName || defaultPort(scheme, port) != defaultPort(scheme, ownPort) {
		return false
	}
	return a.guarded || (scheme == "https") == ctx.IsTLS() && loopbackHost(name)
}

// defaultPort fills in the port of a scheme.
func defaultPort(scheme, port string) string {
	switch {
	case port != "":
		return port
	case scheme == "https":
		return "443"
	default:
		return "80"
	}
}
