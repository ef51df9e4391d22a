package codec

import (
	"net/url"
	"strings"
	"testing"
)

func matchOrigin(t testing.TB, patterns []string, host, o string, more ...string) bool {
	t.Helper()
	check, err := OriginMatcher(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return check(mustScan(t, request("GET /ws HTTP/1.1", append([]string{"Host: " + host, "Origin: " + o}, more...)...)))
}

func TestOriginMatcher(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		patterns string // separated by blanks
		yes, no  string
	}{
		{"http://localhost:5173",
			"http://localhost:5173 http://LOCALHOST:5173 HTTP://localhost:5173",
			"http://localhost http://localhost:5174 https://localhost:5173 http://localhost:5173.evil.example http://localhost:5173/ http://localhost:51730 " +
				"http://localhost:5173@evil.example http://u@localhost:5173 http://localhost:5173?x http://localhost:5173#x null localhost:5173 //localhost:5173 " +
				"http://localhost:05173x http:/localhost:5173 http://localhost: http://:5173 http:// http://localhost:5173:5173 http://localhost:-1 http://.localhost:5173 " +
				"http://localhost.:5173 http://evil.example http://localhost:5173,http://localhost:5173 file:// data:text/html,x"},
		{"https://example.org", "https://example.org https://example.org:443 https://Example.ORG", "http://example.org https://example.org:80 https://www.example.org https://example.org.evil https://evilexample.org"},
		{"http://example.org:80", "http://example.org http://example.org:80", "http://example.org:8080 https://example.org"},
		{"https://example.org/", "https://example.org", "https://example.org/"},
		{"HTTPS://Example.Org", "https://example.org", "http://example.org"},
		{"https://*.example.org",
			"https://a.example.org https://a.b.example.org https://A.EXAMPLE.org:443 https://x_y.example.org",
			"https://example.org https://.example.org https://evil.org/.example.org https://example.org.evil https://a.example.org.evil https://aexample.org " +
				"http://a.example.org https://a.example.org:8443 https://a..example.org https://-/.example.org https://evil.org#.example.org https://evil.org?.example.org " +
				"https://evil.org\\.example.org https://u@a.example.org https://[::1].example.org"},
		{"https://*.example.org:*", "https://a.example.org https://a.example.org:1", "http://a.example.org:1 https://a.example.org:0 https://a.example.org:65536"},
		{"http://localhost:*", "http://localhost http://localhost:1 http://localhost:65535", "https://localhost http://localhost:x http://localhost.evil:1 http://localhost:0 http://localhost:100000"},
		{"http://localhost:[*]", "http://localhost http://localhost:1", "https://localhost"},
		{"http://localhost:[8080,8081]", "http://localhost:8080 http://localhost:8081", "http://localhost http://localhost:8082 http://localhost:80808081"},
		{"https://app-*.example.org", "https://app-.example.org https://app-1.example.org", "https://app-1.x.example.org https://xapp-1.example.org https://app-1.example.org.evil"},
		{"https://*-app.example.org", "https://x-app.example.org", "https://x.y-app.example.org https://app.example.org"},
		{"https://a.*.org", "https://a.b.org https://a.b-c.org", "https://a.b.c.org https://a.org https://b.b.org"},
		{"https://*", "https://a https://a.b.c https://[::1]", "http://a https://a:1 null"},
		{"http://*:8080", "http://a:8080 http://[::1]:8080", "http://a"},
		{"http://[::1]:8080", "http://[::1]:8080", "http://[::1] http://[::2]:8080 http://[::1]x:8080 http://[::1:8080 http://::1:8080"},
		{"http://[FE80::1]", "http://[fe80::1]", "http://[fe80::2]"},
		{"http://127.0.0.1", "http://127.0.0.1", "http://127.0.0.2"},
		{"chrome-extension://abcdef", "chrome-extension://abcdef", "chrome-extension://abc chrome-extension://abcdef:1"},
		{"*", "http://a https://b.c:1 null app://x http://[::1]:1", "http://a/ junk http://a:5173.evil http://u@h"},
		{"null", "null", "http://a NULL"},
		{"", "", "http://a null"},
		{"http://a http://b:1", "http://a http://b:1", "http://b http://a:1"},
	} {
		patterns := strings.Fields(tt.patterns)
		for _, o := range strings.Fields(tt.yes) {
			if !matchOrigin(t, patterns, "gateway:18001", o) {
				t.Errorf("%q: %s refused", patterns, o)
			}
		}
		for _, o := range append(strings.Fields(tt.no), "") {
			if matchOrigin(t, patterns, "gateway:18001", o) {
				t.Errorf("%q: %q allowed", patterns, o)
			}
		}
	}
}

func TestOriginOfTheRequestItself(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		host, origin, proto string
		want                bool
	}{
		{"h:18001", "http://h:18001", "", true},
		{"H:18001", "http://h:18001", "", true},
		{"h", "http://h", "", true},
		{"h:80", "http://h", "", true},
		{"h", "http://h:80", "", true},
		{"[::1]:18001", "http://[::1]:18001", "", true},
		{"h:18001", "https://h:18001", "", false},
		{"h:18001", "http://h:18002", "", false},
		{"h:18001", "http://h", "", false},
		{"h:18001", "http://g:18001", "", false},
		{"h", "ws://h", "", false},
		{"", "http://h", "", false},
		{"h:x", "http://h:1", "", false},
		{"h", "https://h", "https", true},
		{"h", "https://h", "HTTPS, http", true},
		{"h", "https://h", "wss", true},
		{"h", "http://h", "ws", true},
		{"h", "http://h", "https", false},
		{"h:8443", "https://h:8443", "https", true},
		{"h", "http://h", "gopher", false},
	} {
		var more []string
		if tt.proto != "" {
			more = append(more, "X-Forwarded-Proto: "+tt.proto)
		}
		if got := matchOrigin(t, nil, tt.host, tt.origin, more...); got != tt.want {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
	check, _ := OriginMatcher(nil)
	if !check(mustScan(t, request("GET /ws HTTP/1.1", "Host: h"))) {
		t.Error("no Origin: refused")
	}
	if check(mustScan(t, request("GET /ws HTTP/1.1", "Host: h", "Origin: http://h", "Origin: http://h"))) {
		t.Error("two Origins: allowed")
	}
}

func TestOriginMatcherBadPatterns(t *testing.T) {
	t.Parallel()
	bad := []string{"", "localhost", "localhost:5173", "http://", "http:///", "http://h/x", "http://h?x", "http://u@h", "http://h:", "http://h:0",
		"http://h:65536", "http://h:x", "http://h:80,81", "http://h:[]", "http://h:[80,]", "http://h:[80,x]", "http://h:[80", "*://h", "ht*p://h", "://h",
		"http://a..b", "http://.a", "http://a.", "http://**.a", "http://a*b*.c", "http://[::1", "http://[*]", "http://h h", " http://h", "http://é.example", "http://h#", "**", "https://*.example.org/*"}
	for _, s := range bad {
		if _, err := OriginMatcher([]string{s}); err == nil {
			t.Errorf("%q: accepted", s)
		} else if !strings.Contains(err.Error(), "origin pattern") {
			t.Errorf("%q: %v", s, err)
		}
	}
	_, err := OriginMatcher([]string{"http://ok", "bad1", "bad2"})
	if err == nil || !strings.Contains(err.Error(), "bad1") || !strings.Contains(err.Error(), "bad2") || strings.Contains(err.Error(), "//ok") {
		t.Errorf("got %v, want both bad ones", err)
	}
}

func FuzzOrigin(f *testing.F) {
	for _, s := range []string{"http://localhost:5173", "http://localhost:5173.evil.example", "null", "https://a.example.org", "https://evil.org/.example.org",
		"https://example.org.evil", "http://[::1]:80", "https://u@a.example.org", "https://a.example.org:443", "chrome-extension://abc"} {
		f.Add(s, "https://*.example.org")
		f.Add(s, s)
		f.Add(s, "http://localhost:[8080,8081]")
	}
	f.Fuzz(func(t *testing.T, o, pattern string) {
		check, err := OriginMatcher([]string{pattern})
		r := Request{Origin: []byte(o), origins: 1, Host: []byte("gateway:1")}
		if err == nil && check(&r) && pattern != "*" && pattern != "null" {
			got, ok := parseOrigin([]byte(o))
			p, _ := parseOriginPattern(pattern)
			if !ok || o != "http://gateway:1" && !strings.EqualFold(string(got.scheme), p.scheme) && !strings.EqualFold(o, "http://gateway:1") {
				t.Fatalf("%q allowed by %q", o, pattern)
			}
			if !p.wild && !strings.EqualFold(string(got.host), p.host) && !strings.EqualFold(o, "http://gateway:1") {
				t.Fatalf("%q allowed by %q", o, pattern)
			}
		}
		// What passes for an origin is one for net/url as well, with the same host.
		if got, ok := parseOrigin([]byte(o)); ok && got.host[0] != '[' {
			u, err := url.Parse(o)
			if err != nil || u.Hostname() != string(got.host) || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
				t.Fatalf("%q: got host %q, net/url %+v %v", o, got.host, u, err)
			}
			// A suffix pattern allows only hosts that end with it.
			check, _ := OriginMatcher([]string{"https://*.example.org:*"})
			if check(&r) && !strings.EqualFold(o, "http://gateway:1") && !strings.HasSuffix(strings.ToLower(u.Hostname()), ".example.org") {
				t.Fatalf("%q allowed", o)
			}
		}
	})
}
