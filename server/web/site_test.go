package web_test

import (
	"html"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"carillon/server/web"
)

// get asks a site for a path.
func get(t testing.TB, client *fasthttp.HostClient, method, path string, header ...string) *fasthttp.Response {
	t.Helper()
	var req fasthttp.Request
	res := new(fasthttp.Response)
	req.Header.SetMethod(method)
	req.SetRequestURI("http://site" + path)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res.SkipBody = method == fasthttp.MethodHead
	if err := client.Do(&req, res); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return res
}

func newClient(t testing.TB, opt web.Options) *fasthttp.HostClient {
	listener := serveSite(t, opt)
	client := &fasthttp.HostClient{Addr: "site", Dial: func(string) (net.Conn, error) { return listener.Dial() }}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func TestPageResponse(t *testing.T) {
	t.Parallel()
	client := newClient(t, web.Options{})
	for _, path := range []string{"/", "/index.html"} {
		for _, method := range []string{fasthttp.MethodGet, fasthttp.MethodHead} {
			res := get(t, client, method, path)
			expect(t, method+" "+path, res.StatusCode(), http.StatusOK)
			expectHeader(t, res, "Content-Type", "text/html;charset=UTF-8")
			expectHeader(t, res, "Cache-Control", "no-cache")
			expectHeader(t, res, "X-Content-Type-Options", "nosniff")
			expectHeader(t, res, "Referrer-Policy", "no-referrer")
			if res.Header.ContentLength() < 1000 {
				t.Errorf("%s %s: Content-Length %d, want that of the page", method, path, res.Header.ContentLength())
			}
			if got := len(res.Body()) > 0; got != (method == fasthttp.MethodGet) {
				t.Errorf("%s %s: body is there: %v", method, path, got)
			}
			modified, err := http.ParseTime(string(res.Header.Peek("Last-Modified")))
			if err != nil || time.Since(modified) > time.Minute {
				t.Errorf("Last-Modified: got %v, %v, want about now", modified, err)
			}
			policy := string(res.Header.Peek("Content-Security-Policy"))
			for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"} {
				if !strings.Contains(policy, want) {
					t.Errorf("Content-Security-Policy: got %s, want %s in it", policy, want)
				}
			}
			if strings.Contains(policy, "unsafe") {
				t.Errorf("Content-Security-Policy: got %s, want nothing unsafe", policy)
			}
		}
	}
}

func TestPageContentType(t *testing.T) {
	t.Parallel()
	client := newClient(t, web.Options{})
	for accept, want := range map[string]string{
		"text/html":                         "text/html",
		"text/html,application/xhtml+xml":   "text/html;charset=UTF-8",
		"*/*":                               "text/html;charset=UTF-8",
		"text/html;charset=UTF-8":           "text/html;charset=UTF-8",
		"application/json, text/plain, */*": "text/html;charset=UTF-8",
	} {
		expectHeader(t, get(t, client, fasthttp.MethodGet, "/", "Accept", accept), "Content-Type", want)
	}
}

func TestNotModified(t *testing.T) {
	t.Parallel()
	client := newClient(t, web.Options{})
	first := get(t, client, fasthttp.MethodGet, "/")
	tag, modified := string(first.Header.Peek("ETag")), string(first.Header.Peek("Last-Modified"))
	long := time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)
	for _, c := range []struct {
		name   string
		header []string
		want   int
	}{
		{"same tag", []string{"If-None-Match", tag}, http.StatusNotModified},
		{"weak tag", []string{"If-None-Match", "W/" + tag}, http.StatusNotModified},
		{"one of several tags", []string{"If-None-Match", `"a", ` + tag}, http.StatusNotModified},
		{"any tag", []string{"If-None-Match", "*"}, http.StatusNotModified},
		{"other tag", []string{"If-None-Match", `"a"`}, http.StatusOK},
		{"same time", []string{"If-Modified-Since", modified}, http.StatusNotModified},
		{"earlier time", []string{"If-Modified-Since", long}, http.StatusOK},
		{"time that is none", []string{"If-Modified-Since", "yesterday"}, http.StatusOK},
		{"same tag, earlier time", []string{"If-None-Match", tag, "If-Modified-Since", long}, http.StatusNotModified},
		{"other tag, same time", []string{"If-None-Match", `"a"`, "If-Modified-Since", modified}, http.StatusOK},
	} {
		res := get(t, client, fasthttp.MethodGet, "/", c.header...)
		expect(t, c.name, res.StatusCode(), c.want)
		expectHeader(t, res, "ETag", tag)
		if got := len(res.Body()) > 0; got != (c.want == http.StatusOK) {
			t.Errorf("%s: body is there: %v", c.name, got)
		}
	}

	other := get(t, newClient(t, web.Options{Endpoint: "/push"}), fasthttp.MethodGet, "/")
	if string(other.Header.Peek("ETag")) == tag {
		t.Error("pages of different options have the same ETag")
	}
	same := get(t, newClient(t, web.Options{}), fasthttp.MethodGet, "/")
	expectHeader(t, same, "ETag", tag)
}

var reference = regexp.MustCompile(`(?:src|href|data-ticker)="(/[^"]*)"`)

func TestAssets(t *testing.T) {
	t.Parallel()
	client := newClient(t, web.Options{})
	page := string(get(t, client, fasthttp.MethodGet, "/").Body())
	types := map[string]string{
		".js": "text/javascript;charset=UTF-8", ".css": "text/css;charset=UTF-8", ".svg": "image/svg+xml",
	}
	seen := map[string]bool{}
	for _, match := range reference.FindAllStringSubmatch(page, -1) {
		path := match[1]
		seen[path] = true
		if !regexp.MustCompile(`^/assets/[a-z]+\.[0-9a-f]{16}\.[a-z]+$`).MatchString(path) {
			t.Errorf("asset %s: want a path with a hash", path)
		}
		res := get(t, client, fasthttp.MethodGet, path)
		expect(t, path, res.StatusCode(), http.StatusOK)
		expectHeader(t, res, "Content-Type", types[path[strings.LastIndex(path, "."):]])
		expectHeader(t, res, "Cache-Control", "public, max-age=31536000, immutable")
		expectHeader(t, res, "X-Content-Type-Options", "nosniff")
		if len(res.Body()) == 0 {
			t.Errorf("%s is empty", path)
		}
		again := get(t, client, fasthttp.MethodGet, path, "If-None-Match", string(res.Header.Peek("ETag")))
		expect(t, path+" again", again.StatusCode(), http.StatusNotModified)
		expect(t, "HEAD "+path, get(t, client, fasthttp.MethodHead, path).StatusCode(), http.StatusOK)
	}
	expect(t, "assets", len(seen), 4)
	expect(t, "unknown asset", get(t, client, fasthttp.MethodGet, "/assets/app.js").StatusCode(), http.StatusNotFound)
}

func TestOptions(t *testing.T) {
	t.Parallel()
	nasty := `"><script>alert('1')</script>&amp;` + "\n"
	for _, c := range []struct {
		name string
		opt  web.Options
		want map[string]string
	}{
		{"defaults", web.Options{}, map[string]string{"endpoint": "/ws", "token": "", "heartbeat": "20"}},
		{"all", web.Options{Endpoint: "/push", HeartbeatInterval: 1500 * time.Millisecond, DemoToken: "Admin@123"},
			map[string]string{"endpoint": "/push", "token": "Admin@123", "heartbeat": "1.5"}},
		{"markup", web.Options{Endpoint: nasty, DemoToken: nasty}, map[string]string{"endpoint": nasty, "token": nasty}},
	} {
		page := string(get(t, newClient(t, c.opt), fasthttp.MethodGet, "/").Body())
		for name, want := range c.want {
			match := regexp.MustCompile(` data-` + name + `="([^"]*)"`).FindStringSubmatch(page)
			if match == nil {
				t.Fatalf("%s: no data-%s in %s", c.name, name, page)
			}
			expect(t, c.name+": data-"+name, html.UnescapeString(match[1]), want)
		}
		if strings.Contains(page, "<script>") {
			t.Errorf("%s: an option became markup", c.name)
		}
	}
}

func TestOtherMethods(t *testing.T) {
	t.Parallel()
	client := newClient(t, web.Options{})
	res := get(t, client, fasthttp.MethodPost, "/")
	expect(t, "POST /", res.StatusCode(), http.StatusMethodNotAllowed)
	for _, method := range []string{"GET", "HEAD"} {
		if allow := string(res.Header.Peek("Allow")); !strings.Contains(allow, method) {
			t.Errorf("Allow: got %s, want %s in it", allow, method)
		}
	}
}

func expect[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func expectHeader(t testing.TB, res *fasthttp.Response, name, want string) {
	t.Helper()
	expect(t, name, string(res.Header.Peek(name)), want)
}
