package admin

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"carillon/cluster"
)

const asJSON = "Content-Type: application/json"

// TestContract goes through section 3 of the contract, row by row, as a program on the same machine.
func TestContract(t *testing.T) {
	t.Parallel()
	const (
		user    = "/websocket/send/user/10001"
		users   = "/websocket/send/users"
		session = "/websocket/send/session/s1"
	)
	big := strings.Repeat("\\\"é\\u0000\\u2028😀", 30000)
	bigText := strings.Repeat("\"é\x00\u2028😀", 30000)
	for _, c := range []struct {
		name   string
		method string // POST if empty
		target string
		lines  []string // Content-Type: application/json if nil and there is a body
		body   string
		status int    // 200 if 0
		want   string // the body of the answer; for POST: the call to the gateway, none if empty
	}{
		{name: "count", method: "GET", target: "/websocket/online/count", want: "2"},
		{name: "count with a query", method: "GET", target: "/websocket/online/count?x=1", want: "2"},
		{name: "session count", method: "GET", target: "/websocket/online/session/count", want: "3"},
		{name: "users", method: "GET", target: "/websocket/online/users", want: `["10001","a\"<é"]`},

		{name: "user", target: user, body: `{"message":"m"}`, want: `user "10001" "m" false`},
		{name: "user with a query", target: user + "?a=b", body: `{"message":"m"}`, want: `user "10001" "m" false`},
		{name: "message empty", target: user, body: `{"message":""}`, want: `user "10001" "" false`},
		{name: "message an integer", target: user, body: `{"message":5}`, want: `user "10001" "5" false`},
		{name: "message a fraction", target: user, body: `{"message": 1.50 }`, want: `user "10001" "1.50" false`},
		{name: "message with an exponent", target: user, body: `{"message":1e3}`, want: `user "10001" "1e3" false`},
		{name: "message -0", target: user, body: `{"message":-0.0}`, want: `user "10001" "-0.0" false`},
		{name: "message a big integer", target: user, body: `{"message":123456789012345678901234567890}`, want: `user "10001" "123456789012345678901234567890" false`},
		{name: "message true", target: user, body: `{"message":true}`, want: `user "10001" "true" false`},
		{name: "message false", target: user, body: `{"message":false}`, want: `user "10001" "false" false`},
		{name: "message a list", target: user, body: "{\"message\":[ 1 ,\n\t\"a b\" , null, [ ] ]}", want: `user "10001" "[1,\"a b\",null,[]]" false`},
		{name: "message an object", target: user, body: `{"message": { "z" : 1.50, "a" : null, "m" : { } , "n" : 1e3, "i": 9007199254740993 } }`,
			want: `user "10001" "{\"z\":1.50,\"a\":null,\"m\":{},\"n\":1e3,\"i\":9007199254740993}" false`},
		{name: "strings inside of an object as the reference writes them", target: user, body: `{"message":{"k\/":"\u0041\u00e9\u2028<&>\/\u007f\n"}}`,
			want: "user \"10001\" " + fmt.Sprintf("%q", "{\"k/\":\"Aé\u2028<&>/\u007f\\n\"}") + " false"},
		{name: "message an envelope in a string", target: user, body: `{"message":"{\"type\":\"BIZ\", \"code\":\"X\"}"}`, want: `user "10001" "{\"type\":\"BIZ\", \"code\":\"X\"}" false`},
		{name: "message of escapes", target: user, body: `{"message":"\u0000\u2028\ud83d\ude00\"\\\/\b\f\n\r\t"}`, want: fmt.Sprintf(`user "10001" %q false`, "\x00\u2028😀\"\\/\b\f\n\r\t")},
		{name: "message of 300 KB and more", target: user, body: `{"message":"` + big + `"}`, want: fmt.Sprintf(`user "10001" %q false`, bigText)},
		{name: "JSON white space around", target: user, body: " \r\n\t{ \"message\" : \"m\" } \n", want: `user "10001" "m" false`},
		{name: "byte order mark", target: user, body: "\ufeff" + `{"message":"m"}`, want: `user "10001" "m" false`},
		{name: "unknown members", target: user, body: `{"a":[{}],"message":"m","b":null,"userIds":7}`, want: `user "10001" "m" false`},
		{name: "two messages", target: user, body: `{"message":{"a":1},"message":"m"}`, want: `user "10001" "m" false`},
		{name: "null, then a message", target: user, body: `{"message":null,"message":"m"}`, want: `user "10001" "m" false`},
		{name: "a long message, then a short one", target: user, body: `{"message":"long long","message":2}`, want: `user "10001" "2" false`},
		{name: "member name with an escape", target: user, body: `{"mess\u0061ge":"m"}`, want: `user "10001" "m" false`},
		{name: "two members inside of the message", target: user, body: `{"message":{"a":1,"a":2}}`, want: `user "10001" "{\"a\":1,\"a\":2}" false`},

		{name: "no message", target: user, body: `{}`, status: 400},
		{name: "message in another case", target: user, body: `{"Message":"m"}`, status: 400},
		{name: "message null", target: user, body: `{"message":null}`, status: 400},
		{name: "a message, then null", target: user, body: `{"message":"m","message":null}`, status: 400},
		{name: "no body", target: user, lines: []string{asJSON}, status: 400},
		{name: "blank body", target: user, body: " ", status: 400},
		{name: "bad JSON", target: user, body: `{"message":"m"`, status: 400},
		{name: "bad JSON after the message", target: user, body: `{"message":"m",}`, status: 400},
		{name: "text behind", target: user, body: `{"message":"m"} x`, status: 400},
		{name: "a value behind", target: user, body: `{"message":"m"}{}`, status: 400},
		{name: "list", target: user, body: `[{"message":"m"}]`, status: 400},
		{name: "null", target: user, body: `null`, status: 400},
		{name: "string", target: user, body: `"message"`, status: 400},
		{name: "number", target: user, body: `5`, status: 400},
		{name: "lenient JSON", target: user, body: `{'message':'m'}`, status: 400},
		{name: "bad number", target: user, body: `{"message":01}`, status: 400},
		{name: "NaN", target: user, body: `{"message":NaN}`, status: 400},
		{name: "invalid UTF-8", target: user, body: "{\"message\":\"\xff\"}", status: 400},
		{name: "overlong UTF-8", target: user, body: "{\"message\":\"\xc0\x80\"}", status: 400},
		{name: "surrogate in UTF-8", target: user, body: "{\"message\":\"\xed\xa0\x80\"}", status: 400},
		{name: "invalid UTF-8 in another member", target: user, body: "{\"message\":\"m\",\"x\":\"\xff\"}", status: 400},
		{name: "invalid UTF-8 in a name", target: user, body: "{\"message\":\"m\",\"\xff\":1}", status: 400},
		{name: "ISO 8859-1", target: user, body: "{\"message\":\"h\xe9llo\"}", status: 400},
		{name: "UTF-16", target: user, body: "\xff\xfe{\x00}\x00", status: 400},
		{name: "lone surrogate", target: user, body: `{"message":"\ud800"}`, status: 400},
		{name: "lone low surrogate", target: user, body: `{"message":"\udc00x"}`, status: 400},
		{name: "surrogates the wrong way round", target: user, body: `{"message":"\ude00\ud83d"}`, status: 400},
		{name: "lone surrogate inside of an object", target: user, body: `{"message":{"a":["\ud800"]}}`, status: 400},
		{name: "lone surrogate in a name", target: user, body: `{"message":{"\ud800":1}}`, status: 400},
		{name: "control character in a string", target: user, body: "{\"message\":\"a\x01\"}", status: 400},
		{name: "nested without end", target: user, body: `{"message":` + strings.Repeat("[", 100000), status: 400},

		{name: "charset", target: user, lines: []string{"Content-Type: application/json;charset=UTF-8"}, body: `{"message":"m"}`, want: `user "10001" "m" false`},
		{name: "charset in quotes and lower case", target: user, lines: []string{`content-type: Application/JSON ; charset="utf-8"`}, body: `{"message":"m"}`, want: `user "10001" "m" false`},
		{name: "vendor type", target: user, lines: []string{"Content-Type: application/vnd.x+json"}, body: `{"message":"m"}`, want: `user "10001" "m" false`},
		{name: "vendor type with a charset", target: user, lines: []string{"Content-Type: application/vnd.x+json; charset=utf-8"}, body: `{"message":"m"}`, want: `user "10001" "m" false`},
		{name: "text", target: user, lines: []string{"Content-Type: text/plain"}, body: `{"message":"m"}`, status: 415},
		{name: "form", target: user, lines: []string{"Content-Type: application/x-www-form-urlencoded"}, body: `message=m`, status: 415},
		{name: "multipart", target: user, lines: []string{"Content-Type: multipart/form-data; boundary=x"}, body: "--x\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\nm\r\n--x--\r\n", status: 415},
		{name: "no type", target: user, lines: []string{}, body: `{"message":"m"}`, status: 415},
		{name: "JSON of another family", target: user, lines: []string{"Content-Type: text/json"}, body: `{"message":"m"}`, status: 415},
		{name: "type that only begins so", target: user, lines: []string{"Content-Type: application/json5"}, body: `{"message":"m"}`, status: 415},
		{name: "charset UTF-16", target: user, lines: []string{"Content-Type: application/json; charset=utf-16"}, body: `{"message":"m"}`, status: 415},
		{name: "charset ISO 8859-1", target: user, lines: []string{"Content-Type: application/json; charset=ISO-8859-1"}, body: `{"message":"m"}`, status: 415},
		{name: "broken type", target: user, lines: []string{"Content-Type: application/json; charset"}, body: `{"message":"m"}`, status: 415},
		{name: "compressed", target: user, lines: []string{asJSON, "Content-Encoding: gzip"}, body: "\x1f\x8b", status: 415},
		{name: "not compressed", target: user, lines: []string{asJSON, "Content-Encoding: identity"}, body: `{"message":"m"}`, want: `user "10001" "m" false`},
		{name: "Accept on a push", target: user, lines: []string{asJSON, "Accept: application/xml"}, body: `{"message":"m"}`, want: `user "10001" "m" false`},

		{name: "users call", target: users, body: `{"userIds":["1","x"],"message":"m"}`, want: `users ["1" "x"] "m" false`},
		{name: "message first", target: users, body: `{"message":"m","userIds":["1"]}`, want: `users ["1"] "m" false`},
		{name: "numbers as strings", target: users, body: `{"userIds":[10001,"x",1.50,1e3,123456789012345678901234567890],"message":"m"}`, want: `users ["10001" "x" "1.50" "1e3" "123456789012345678901234567890"] "m" false`},
		{name: "duplicates", target: users, body: `{"userIds":["1","2","1",1,2,"\u0031"],"message":"m"}`, want: `users ["1" "2"] "m" false`},
		{name: "two lists", target: users, body: `{"userIds":["1"],"userIds":["2"],"message":"m"}`, want: `users ["2"] "m" false`},
		{name: "null, then a list", target: users, body: `{"userIds":null,"userIds":["2"],"message":"m"}`, want: `users ["2"] "m" false`},
		{name: "nobody", target: users, body: `{"userIds":[],"message":"m"}`},
		{name: "nobody without a message", target: users, body: `{"userIds":[]}`, status: 400},
		{name: "userIds missing", target: users, body: `{"message":"m"}`, status: 400},
		{name: "userIds null", target: users, body: `{"userIds":null,"message":"m"}`, status: 400},
		{name: "a list, then null", target: users, body: `{"userIds":["1"],"userIds":null,"message":"m"}`, status: 400},
		{name: "null inside", target: users, body: `{"userIds":["1",null],"message":"m"}`, status: 400},
		{name: "list inside", target: users, body: `{"userIds":["1",["2"]],"message":"m"}`, status: 400},
		{name: "object inside", target: users, body: `{"userIds":[{"1":"2"}],"message":"m"}`, status: 400},
		{name: "boolean inside", target: users, body: `{"userIds":[true],"message":"m"}`, status: 400},
		{name: "userIds a string", target: users, body: `{"userIds":"1","message":"m"}`, status: 400},
		{name: "userIds an object", target: users, body: `{"userIds":{"1":"2"},"message":"m"}`, status: 400},
		{name: "lone surrogate in userIds", target: users, body: `{"userIds":["\ud800"],"message":"m"}`, status: 400},
		{name: "users without a message", target: users, body: `{"userIds":["1"]}`, status: 400},

		{name: "session", target: session, body: `{"message":"m"}`, want: `session "s1" "m" false`},
		{name: "broadcast", target: "/websocket/broadcast", body: `{"message":"m"}`, want: `broadcast "m" false`},
		{name: "broadcast of nothing", target: "/websocket/broadcast", body: `{}`, status: 400},
		{name: "kick user", target: "/websocket/kick/user/10001", lines: []string{}, want: `kick user "10001" false`},
		{name: "kick user with a body", target: "/websocket/kick/user/10001", lines: []string{"Content-Type: text/plain"}, body: "now", want: `kick user "10001" false`},
		{name: "kick session", target: "/websocket/kick/session/s1", lines: []string{}, want: `kick session "s1" false`},
		{name: "heartbeats", target: "/websocket/heartbeat/check", lines: []string{}, want: "heartbeats"},

		{name: "id percent-encoded", target: "/websocket/send/user/%E5%BC%A0%20%41+", body: `{"message":"m"}`, want: `user "张 A+" "m" false`},
		{name: "id with an encoded slash", target: "/websocket/send/user/a%2Fb", body: `{"message":"m"}`, want: `user "a/b" "m" false`},
		{name: "id of dots, encoded", target: "/websocket/send/user/%2e%2e%2Fx", body: `{"message":"m"}`, want: `user "../x" "m" false`},
		{name: "id with parameters", target: "/websocket/send/session/a;x=1", body: `{"message":"m"}`, want: `session "a;x=1" "m" false`},
		{name: "id with an encoded percent sign", target: "/websocket/kick/user/%2525", lines: []string{}, want: `kick user "%25" false`},
		{name: "id with an encoded question mark", target: "/websocket/kick/session/a%3Fb?c", lines: []string{}, want: `kick session "a?b" false`},
		{name: "id like a call", target: "/websocket/send/user/users", body: `{"message":"m"}`, want: `user "users" "m" false`},
		{name: "id with colons and braces", target: "/websocket/kick/session/a:b@c=(d)", lines: []string{}, want: `kick session "a:b@c=(d)" false`},
		{name: "id with a broken escape", target: "/websocket/send/user/%zz", body: `{"message":"m"}`, status: 400},
		{name: "id that is not UTF-8", target: "/websocket/kick/user/%ff", lines: []string{}, status: 400},
		{name: "absolute target", method: "GET", target: "http://localhost:18001/websocket/online/count", want: "2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := &fakeGateway{users: []string{"10001", `a"<é`}, sessions: 3}
			listener := start(t, New(g, Options{}).Handler())
			if c.method == "" {
				c.method = "POST"
			}
			if c.lines == nil && c.body != "" {
				c.lines = []string{asJSON}
			}
			if c.status == 0 {
				c.status = 200
			}
			r := roundTrip(t, listener, loopback, request(c.method, c.target, c.body, c.lines...), c.method)
			if r.status != c.status {
				t.Fatalf("status = %d (%s), want %d", r.status, r.body, c.status)
			}
			calls := g.taken()
			if c.status != 200 {
				p := r.problem(t)
				if path, _, _ := strings.Cut(c.target, "?"); p.Instance != path {
					t.Errorf("instance = %q, want %q", p.Instance, path)
				}
				if len(calls) != 0 {
					t.Errorf("the gateway was called: %q", calls)
				}
				if c.status == 415 && len(c.lines) < 2 && r.header.Get("Accept") != "application/json, application/*+json" {
					t.Errorf("Accept = %q, want what is taken", r.header.Get("Accept"))
				}
				return
			}
			if c.method == "GET" {
				if r.body != c.want || r.header.Get("Content-Type") != "application/json" {
					t.Errorf("got %q (%s), want %q (application/json)", r.body, r.header.Get("Content-Type"), c.want)
				}
				return
			}
			if r.body != "" || r.header.Get("Content-Length") != "0" {
				t.Errorf("body %q, Content-Length %q, want an empty body", r.body, r.header.Get("Content-Length"))
			}
			want := []string{c.want}
			if c.want == "" {
				want = nil
			}
			if !slices.Equal(calls, want) {
				t.Errorf("the gateway was asked for %.200q, want %.200q", calls, want)
			}
		})
	}
}

func TestNobodyOnline(t *testing.T) {
	t.Parallel()
	listener := start(t, New(&fakeGateway{}, Options{}).Handler())
	for target, want := range map[string]string{
		"/websocket/online/users":         "[]",
		"/websocket/online/count":         "0",
		"/websocket/online/session/count": "0",
	} {
		if r := roundTrip(t, listener, loopback, request("GET", target, ""), "GET"); r.status != 200 || r.body != want {
			t.Errorf("%s = %d %q, want 200 %q", target, r.status, r.body, want)
		}
	}
}

// calls are all endpoints, with their methods.
var calls = map[string]string{
	"/websocket/online/count":         "GET",
	"/websocket/online/session/count": "GET",
	"/websocket/online/users":         "GET, POST",
	"/websocket/online/users/1":       "GET",
	"/websocket/online/nodes":         "GET",
	"/websocket/online/sessions":      "GET",
	"/websocket/send/user/1":          "POST",
	"/websocket/send/users":           "POST",
	"/websocket/send/session/1":       "POST",
	"/websocket/broadcast":            "POST",
	"/websocket/kick/user/1":          "POST",
	"/websocket/kick/session/1":       "POST",
	"/websocket/kick/all":             "POST",
	"/websocket/heartbeat/check":      "POST",
	"/healthz":                        "GET",
	"/readyz":                         "GET",
}

func TestMethods(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{locations: make([]cluster.Location, 1)}
	listener := start(t, New(g, Options{}).Handler())
	for target, methods := range calls {
		right := strings.Split(methods, ", ")
		allow := strings.Replace(methods, "GET", "GET, HEAD", 1) + ", OPTIONS"
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get", "OPTIONS"} {
			r := roundTrip(t, listener, loopback, request(method, target, "", asJSON), method)
			switch {
			case method == "OPTIONS":
				if r.status != 200 || r.body != "" || r.header.Get("Allow") != allow {
					t.Errorf("OPTIONS %s = %d %q, Allow %q, want 200, Allow %q", target, r.status, r.body, r.header.Get("Allow"), allow)
				}
			case method == "HEAD" && right[0] == "GET":
				if r.status != 200 || r.body != "" || r.header.Get("Content-Type") != "application/json" || r.header.Get("Content-Length") == "0" {
					t.Errorf("HEAD %s = %d %q %v, want the header of a GET", target, r.status, r.body, r.header)
				}
			case !slices.Contains(right, method):
				if r.status != 405 || r.header.Get("Allow") != allow {
					t.Errorf("%s %s = %d, Allow %q, want 405, Allow %q", method, target, r.status, r.header.Get("Allow"), allow)
				}
				if method != "HEAD" {
					r.problem(t)
				}
			}
		}
	}
	for _, call := range g.taken() {
		if !strings.HasPrefix(call, "kick") && call != "heartbeats" && call != `locate ["1"]` && call != `sessions "" "" 100` {
			t.Errorf("a call went through: %s", call)
		}
	}
}

func TestOtherPaths(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{}
	listener := start(t, New(g, Options{}).Handler())
	paths := []string{
		"/", "/websocket", "/websocket/", "/websocket/online", "/other", "/healthz/", "/Healthz", "/index.html",
		"/websocket/send/user/", "/websocket/send/user", "/websocket/kick/session/", "/websocket/send/user/a/b",
		"/websocket/online/count;x=1", "/websocket/online/../online/count", "/websocket/online/./count",
		"/x/..%2fwebsocket/broadcast", "/websocket/send%2Fuser/1",
		"//localhost/websocket/broadcast?x=://", "//localhost/websocket/online/count?://",
	}
	for target := range calls {
		paths = append(paths, target+"/", strings.ToUpper(target), "/"+target, strings.Replace(target, "/", "//", 2), target+"//", "//x"+target)
	}
	for _, target := range paths {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			r := roundTrip(t, listener, loopback, request(method, target, "", asJSON), method)
			if r.status != 404 || r.header.Get("Location") != "" {
				t.Errorf("%s %s = %d, Location %q, want 404", method, target, r.status, r.header.Get("Location"))
				continue
			}
			r.problem(t)
		}
	}
	// Without a Host, fasthttp looks for one in the target.
	raw := "POST //localhost/websocket/broadcast HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n" + `{"message":"m"}`
	if r := roundTrip(t, listener, loopback, raw, "POST"); r.status != 404 {
		t.Errorf("two slashes without a Host = %d, want 404", r.status)
	}
	if calls := g.taken(); len(calls) != 0 {
		t.Errorf("the gateway was called: %q", calls)
	}
}

func TestInstanceIsAPathWithoutSecrets(t *testing.T) {
	t.Parallel()
	listener := start(t, New(&fakeGateway{}, Options{}).Handler())
	r := roundTrip(t, listener, loopback, request("GET", "/a\"b<\xc3\xa9%41?token=TOPSECRET#x", "", "Authorization: Bearer TOPSECRET"), "GET")
	if p := r.problem(t); p.Instance != "/a%22b%3C%C3%A9%41" {
		t.Errorf("instance = %q, want /a%%22b%%3C%%C3%%A9%%41", p.Instance)
	}
	if strings.Contains(r.body, "TOPSECRET") {
		t.Errorf("the answer contains the token: %s", r.body)
	}
}

// TestRegister mounts the endpoints beside others, as the gateway does.
func TestRegister(t *testing.T) {
	t.Parallel()
	r := router.New()
	r.GET("/", func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("page") })
	r.GET("/assets/{file}", func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("asset") })
	New(&fakeGateway{sessions: 7}, Options{}).Register(r)
	r.NotFound = NotFound
	r.MethodNotAllowed = MethodNotAllowed
	listener := start(t, r.Handler)
	for _, c := range []struct {
		method, target string
		status         int
		body           string
	}{
		{"GET", "/", 200, "page"},
		{"GET", "/assets/x", 200, "asset"},
		{"GET", "/websocket/online/session/count", 200, "7"},
		{"GET", "/websocket/online/session/count/", 404, ""},
		{"POST", "/websocket/online/session/count", 405, ""},
		{"POST", "/assets/x", 405, ""},
		{"GET", "/other", 404, ""},
		{"POST", "/other", 404, ""},
	} {
		got := roundTrip(t, listener, loopback, request(c.method, c.target, ""), c.method)
		if got.status != c.status || c.body != "" && got.body != c.body {
			t.Errorf("%s %s = %d %q, want %d %q", c.method, c.target, got.status, got.body, c.status, c.body)
		}
		if c.status >= 400 {
			got.problem(t)
		}
		if allow := got.header.Get("Allow"); (c.status == 405) != (allow != "") {
			t.Errorf("%s %s: Allow = %q with status %d", c.method, c.target, allow, c.status)
		}
	}
}
