package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"carillon/codec"
)

// DefaultEndpoint and DefaultHeartbeatInterval stand in for options that are
// not set. The interval is that of the reference's page.
const (
	DefaultEndpoint          = "/ws"
	DefaultHeartbeatInterval = 20 * time.Second
)

// Options say what the page offers when it opens. The user of the page can
// change each of them there.
type Options struct {
	// Endpoint is the path of the WebSocket endpoint, the setting
	// websocket.endpoint. Default: DefaultEndpoint.
	Endpoint string

	// HeartbeatInterval is the time between two heartbeats: a third of the
	// gateway's timeout, at most 20 seconds. Default: DefaultHeartbeatInterval.
	HeartbeatInterval time.Duration

	// DemoToken fills the token field. Anybody who can load the page can read
	// it, so it is set in auth.mode demo only. Default: an empty field.
	DemoToken string
}

//go:embed page
var files embed.FS

var indexTemplate = template.Must(template.ParseFS(files, "page/index.html"))

// index is what the template sees.
type index struct {
	Endpoint, Token     string
	HeartbeatSeconds    string
	CloseCodes          string
	Script, Style, Icon string
	Ticker              string
}

// contentPolicy forbids whatever the page does not do. The page may connect
// to any WebSocket server, because its user may type any address, and to its
// own origin, which it asks why a handshake was refused. Trusted Types make
// the browser refuse each way to turn a string into markup or script, except
// for the URL of the page's worker.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; worker-src 'self'; " +
	"connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types carillon-ticker"

// Site answers the requests for the page and its files. It is immutable.
type Site struct {
	index    *resource
	assets   []*resource
	modified time.Time
}

// resource is one answer, ready to send.
type resource struct {
	path        string
	contentType string
	cache       string
	etag        string
	body        []byte
}

// New renders the page.
func New(opt Options) *Site {
	if opt.Endpoint == "" {
		opt.Endpoint = DefaultEndpoint
	}
	if opt.HeartbeatInterval <= 0 {
		opt.HeartbeatInterval = DefaultHeartbeatInterval
	}
	s := &Site{modified: time.Now()}
	data := index{
		Endpoint:         opt.Endpoint,
		Token:            opt.DemoToken,
		HeartbeatSeconds: strconv.FormatFloat(opt.HeartbeatInterval.Seconds(), 'f', -1, 64),
		CloseCodes:       closeCodes(),
		Script:           s.addAsset("app.js", "text/javascript;charset=UTF-8"),
		Ticker:           s.addAsset("ticker.js", "text/javascript;charset=UTF-8"),
		Style:            s.addAsset("style.css", "text/css;charset=UTF-8"),
		Icon:             s.addAsset("icon.svg", "image/svg+xml"),
	}
	var page bytes.Buffer
	if err := indexTemplate.Execute(&page, data); err != nil {
		panic(fmt.Sprintf("BUG: the embedded page does not render: %v", err))
	}
	s.index = &resource{
		path: "/",
		// Browsers ask again each time, since the page names the current files.
		cache: "no-cache",
		etag:  `"` + digest(page.Bytes()) + `"`,
		body:  page.Bytes(),
	}
	return s
}

// addAsset adds an embedded file and returns the path that it is served at.
func (s *Site) addAsset(name, contentType string) string {
	body, err := files.ReadFile("page/" + name)
	if err != nil {
		panic(fmt.Sprintf("BUG: %s is not embedded: %v", name, err))
	}
	hash := digest(body)
	extension := path.Ext(name)
	asset := &resource{
		path:        "/assets/" + strings.TrimSuffix(name, extension) + "." + hash + extension,
		contentType: contentType,
		cache:       "public, max-age=31536000, immutable",
		etag:        `"` + hash + `"`,
		body:        body,
	}
	s.assets = append(s.assets, asset)
	return asset.path
}

// Register adds the page at "/" and "/index.html", and its files below
// "/assets/", for GET and HEAD.
func (s *Site) Register(r *router.Router) {
	page := func(ctx *fasthttp.RequestCtx) {
		ctx.Response.Header.Set(fasthttp.HeaderVary, fasthttp.HeaderAccept)
		ctx.SetContentType(pageType(ctx))
		s.serve(ctx, s.index)
	}
	handle(r, s.index.path, page)
	handle(r, "/index.html", page)
	for _, asset := range s.assets {
		handle(r, asset.path, func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType(asset.contentType)
			s.serve(ctx, asset)
		})
	}
}

func handle(r *router.Router, path string, h fasthttp.RequestHandler) {
	r.GET(path, h)
	r.HEAD(path, h)
}

// pageType is the content type of the page. As in the reference, a client that
// asks for text/html and nothing else gets exactly that; the page names its
// encoding itself.
func pageType(ctx *fasthttp.RequestCtx) string {
	if string(ctx.Request.Header.Peek(fasthttp.HeaderAccept)) == "text/html" {
		return "text/html"
	}
	return "text/html;charset=UTF-8"
}

// serve answers with res, or with 304 for a client that has it. The content
// type is set already.
func (s *Site) serve(ctx *fasthttp.RequestCtx, res *resource) {
	h := &ctx.Response.Header
	h.Set(fasthttp.HeaderCacheControl, res.cache)
	h.Set(fasthttp.HeaderETag, res.etag)
	h.SetLastModified(s.modified)
	h.Set(fasthttp.HeaderContentSecurityPolicy, contentPolicy)
	h.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
	h.Set(fasthttp.HeaderReferrerPolicy, "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if s.fresh(ctx, res) {
		ctx.Response.SetStatusCode(fasthttp.StatusNotModified)
		return
	}
	// SetBodyRaw: the bytes outlive the request and nobody writes to them.
	ctx.Response.SetBodyRaw(res.body)
}

// fresh reports whether the client's copy is the current one. The tag decides
// when the client sends one (RFC 9110 §13.2.2): nodes behind one balancer
// started at different times and have equal tags.
func (s *Site) fresh(ctx *fasthttp.RequestCtx, res *resource) bool {
	if tags := string(ctx.Request.Header.Peek(fasthttp.HeaderIfNoneMatch)); tags != "" {
		return slices.ContainsFunc(strings.Split(tags, ","), func(tag string) bool {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			return tag == res.etag || tag == "*"
		})
	}
	return !ctx.IfModifiedSince(s.modified)
}

// closeCodes is the gateway's table of close codes as the page reads it, so
// that the page does what docs/protocol.md tells every client to do.
func closeCodes() string {
	type row struct {
		Code    codec.CloseCode `json:"code"`
		Name    string          `json:"name"`
		Reason  string          `json:"reason"`
		Meaning string          `json:"meaning"`
		Advice  string          `json:"advice"`
	}
	var rows []row
	for _, info := range codec.CloseTable() {
		rows = append(rows, row{info.Code, info.Name, info.Reason, info.Meaning, info.Advice.String()})
	}
	text, err := json.Marshal(rows)
	if err != nil {
		panic(fmt.Sprintf("BUG: the table of close codes is not JSON: %v", err))
	}
	return string(text)
}

// digest is short, since it tells versions of one file apart and no more.
func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
}
