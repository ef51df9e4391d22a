package admin

import (
	"testing"

	"github.com/valyala/fasthttp"
)

func withHeader(name string, lines ...string) *fasthttp.RequestCtx {
	ctx := &fasthttp.RequestCtx{}
	for _, l := range lines {
		ctx.Request.Header.Add(name, l)
	}
	return ctx
}

func TestAccept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lines []string
		want  bool
	}{
		{nil, true},
		{[]string{""}, true},
		{[]string{"*/*"}, true},
		{[]string{"*"}, true},
		{[]string{"application/json"}, true},
		{[]string{"Application/JSON;q=0.1"}, true},
		{[]string{"application/*"}, true},
		{[]string{"text/html, application/xhtml+xml, */*;q=0.8"}, true},
		{[]string{"text/html", "application/json"}, true},
		{[]string{"application/json;q=0, */*"}, false},
		{[]string{"*/*, application/json;q=0.0"}, false},
		{[]string{"application/*;q=0, */*"}, false},
		{[]string{"*/*;q=0, application/json"}, true},
		{[]string{"application/json;q=0, application/json"}, true},
		{[]string{"application/json;charset=utf-8"}, true},
		{[]string{`application/json;x="a,b;q=0";q=0`}, false},
		{[]string{"application/json;q=x"}, true},
		{[]string{"application/xml"}, false},
		{[]string{"application/xml, text/*"}, false},
		{[]string{"application/problem+json"}, false},
		{[]string{";,;"}, false},
	} {
		if got := acceptsJSON(withHeader("Accept", c.lines...)); got != c.want {
			t.Errorf("Accept %q = %v, want %v", c.lines, got, c.want)
		}
	}
}

func TestNotAcceptable(t *testing.T) {
	t.Parallel()
	listener := start(t, New(&fakeGateway{}, Options{}).Handler())
	for target, method := range calls {
		if method != "GET" {
			continue
		}
		for _, method := range []string{"GET", "HEAD"} {
			r := roundTrip(t, listener, loopback, request(method, target, "", "Accept: application/xml"), method)
			if r.status != 406 {
				t.Errorf("%s %s = %d, want 406", method, target, r.status)
			}
		}
	}
}

func TestPrefer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lines []string
		want  bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"return=representation"}, true},
		{[]string{"Return = Representation"}, true},
		{[]string{`return="representation"`}, true},
		{[]string{"respond-async, wait=5, return=representation"}, true},
		{[]string{"respond-async", "return=representation"}, true},
		{[]string{"return=representation; x=y"}, true},
		{[]string{`x="a, return=representation"`}, false},
		{[]string{`x="\", return=representation"`}, false},
		{[]string{"return=minimal"}, false},
		{[]string{"return=minimal, return=representation"}, false},
		{[]string{"return=representation, return=minimal"}, true},
		{[]string{"return"}, false},
		{[]string{"representation"}, false},
		{[]string{"x-return=representation"}, false},
		{[]string{";"}, false},
	} {
		if got := wantsRepresentation(withHeader("Prefer", c.lines...)); got != c.want {
			t.Errorf("Prefer %q = %v, want %v", c.lines, got, c.want)
		}
	}
}
