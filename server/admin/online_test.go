package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"carillon/cluster"
)

func TestWhereUsersAre(t *testing.T) {
	t.Parallel()
	here := cluster.Location{Places: []cluster.Place{{Node: "node-a", Sessions: 2}, {Node: "node-b", Sessions: 1}}}
	nowhere, foreign := cluster.Location{}, cluster.Location{Foreign: true}
	const (
		hereJSON = `,"online":true,"sessions":3,"nodes":[{"node":"node-a","sessions":2},{"node":"node-b","sessions":1}],"foreign":false}`
		nowhereJ = `,"online":false,"sessions":0,"nodes":[],"foreign":false}`
		foreignJ = `,"online":true,"sessions":0,"nodes":[],"foreign":true}`
	)
	const users = "/websocket/online/users"
	for _, c := range []struct {
		name, target, body string
		locations          []cluster.Location
		call, want         string
	}{
		{"online", users + "/10001", "", []cluster.Location{here}, `locate ["10001"]`, `{"user":"10001"` + hereJSON},
		{"offline", users + "/10001", "", []cluster.Location{nowhere}, `locate ["10001"]`, `{"user":"10001"` + nowhereJ},
		{"on a node of the reference", users + "/10001", "", []cluster.Location{foreign}, `locate ["10001"]`, `{"user":"10001"` + foreignJ},
		{"escaped", users + "/a%2Fb%20%22%3C", "", []cluster.Location{nowhere}, `locate ["a/b \"<"]`, `{"user":"a/b \"\u003c"` + nowhereJ},
		{"with a query", users + "/1?x=1", "", []cluster.Location{nowhere}, `locate ["1"]`, `{"user":"1"` + nowhereJ},
		{"several", users, `{"userIds":["b",1,"a"],"x":{}}`, []cluster.Location{here, nowhere, foreign}, `locate ["b" "1" "a"]`,
			`{"users":[{"user":"b"` + hereJSON + `,{"user":"1"` + nowhereJ + `,{"user":"a"` + foreignJ + `]}`},
		{"each once", users, `{"userIds":["b","a","b",7,"7"]}`, []cluster.Location{nowhere, nowhere, nowhere}, `locate ["b" "a" "7"]`,
			`{"users":[{"user":"b"` + nowhereJ + `,{"user":"a"` + nowhereJ + `,{"user":"7"` + nowhereJ + `]}`},
		{"the last list counts", users, `{"userIds":["b"],"userIds":["a"]}`, []cluster.Location{nowhere}, `locate ["a"]`, `{"users":[{"user":"a"` + nowhereJ + `]}`},
		{"nobody", users, `{"userIds":[]}`, nil, "", `{"users":[]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := &fakeGateway{locations: c.locations}
			listener := start(t, New(g, Options{}).Handler())
			method, lines := "GET", []string(nil)
			if c.body != "" {
				method, lines = "POST", []string{asJSON}
			}
			r := roundTrip(t, listener, loopback, request(method, c.target, c.body, lines...), method)
			if r.status != 200 || r.body != c.want || r.header.Get("Content-Type") != "application/json" || r.header.Get("Cache-Control") != "no-store" {
				t.Errorf("got %d %s %v, want 200 %s", r.status, r.body, r.header, c.want)
			}
			if calls := g.taken(); strings.Join(calls, ";") != c.call {
				t.Errorf("the gateway was asked for %q, want %q", calls, c.call)
			}
		})
	}
}

func TestUserQueriesRefused(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{}
	listener := start(t, New(g, Options{}).Handler())
	many := func(n int) string {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = fmt.Sprint(i)
		}
		return `{"userIds":[` + strings.Join(ids, ",") + `]}`
	}
	for body, want := range map[string]string{
		"":                                 "not valid JSON",
		"[]":                               "must be a JSON object",
		"{}":                               `"userIds" is missing`,
		`{"userIds":null}`:                 `"userIds" is missing`,
		`{"userIds":["a"],"userIds":null}`: `"userIds" is missing`,
		`{"userIds":"a"}`:                  `"userIds" must be a list`,
		`{"userIds":{"a":1}}`:              `"userIds" must be a list`,
		`{"userIds":[null]}`:               `"userIds" must be a list`,
		`{"userIds":[["a"]]}`:              `"userIds" must be a list`,
		`{"userIds":[true]}`:               `"userIds" must be a list`,
		`{"userIds":["a"]}{}`:              "text after the JSON object",
		many(maxQueriedUsers + 1):          "more than 10000 users",
	} {
		r := roundTrip(t, listener, loopback, request("POST", "/websocket/online/users", body, asJSON), "POST")
		if r.status != 400 || !strings.Contains(r.problem(t).Detail, want) {
			t.Errorf("%.60s: got %d %s, want 400 with %q", body, r.status, r.body, want)
		}
	}
	if r := roundTrip(t, listener, loopback, request("POST", "/websocket/online/users", `{"userIds":["a"]}`), "POST"); r.status != 415 {
		t.Errorf("without a type: got %d, want 415", r.status)
	}
	if r := roundTrip(t, listener, loopback, request("GET", "/websocket/online/users/%ff", ""), "GET"); r.status != 400 {
		t.Errorf("an id that is no UTF-8: got %d, want 400", r.status)
	}
	if calls := g.taken(); len(calls) != 0 {
		t.Errorf("the gateway was called: %.200q", calls)
	}
	g.locations = make([]cluster.Location, maxQueriedUsers)
	r := roundTrip(t, listener, loopback, request("POST", "/websocket/online/users", many(maxQueriedUsers), asJSON), "POST")
	if r.status != 200 || strings.Count(r.body, `"user":`) != maxQueriedUsers {
		t.Errorf("as many as may be: got %d %.200s, want 200", r.status, r.body)
	}
}

func TestNodes(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{}
	listener := start(t, New(g, Options{}).Handler())
	get := func(want string) {
		t.Helper()
		r := roundTrip(t, listener, loopback, request("GET", "/websocket/online/nodes", ""), "GET")
		if r.status != 200 || r.body != want {
			t.Errorf("got %d %s, want 200 %s", r.status, r.body, want)
		}
	}
	get("[]")
	g.nodes = []cluster.Node{
		{ID: "node-a", Version: "1.2.0", Address: "10.0.0.1:18001", Users: 2, Sessions: 3, Tag: 7, Incarnation: 9,
			Started: time.Date(2026, 2, 1, 12, 0, 0, 123456789, time.FixedZone("", 3600)), Expires: time.Date(2026, 2, 1, 11, 0, 15, 0, time.UTC)},
		{ID: "node-b"},
	}
	get(`[{"node":"node-a","version":"1.2.0","address":"10.0.0.1:18001","started":"2026-02-01T11:00:00.123Z","users":2,"sessions":3,"leaseExpires":"2026-02-01T11:00:15Z","self":true},` +
		`{"node":"node-b","version":"","address":"","users":0,"sessions":0,"self":false}]`)
}

func TestSessionPages(t *testing.T) {
	t.Parallel()
	const sessions = "/websocket/online/sessions"
	page := []cluster.Session{{ID: "s1", User: "10001", Node: "node-a"}, {ID: "s2", User: "é", Node: "node-b"}}
	const pageJSON = `{"sessions":[{"session":"s1","user":"10001","node":"node-a"},{"session":"s2","user":"é","node":"node-b"}]`
	for _, c := range []struct {
		target     string
		page       []cluster.Session
		next       string
		call, want string
	}{
		{sessions, page, "", `sessions "" "" 100`, pageJSON + "}"},
		{sessions, page, "a+b/=", `sessions "" "" 100`, pageJSON + `,"cursor":"a+b/="}`},
		{sessions + "?cursor=a%2Bb%2F%3D&limit=2", nil, "", `sessions "" "a+b/=" 2`, `{"sessions":[]}`},
		{sessions + "?node=node%20b&limit=10000&x=1", nil, "n", `sessions "node b" "" 10000`, `{"sessions":[],"cursor":"n"}`},
		{sessions + "?node=&cursor=&limit=1", page, "", `sessions "" "" 1`, pageJSON + "}"},
	} {
		g := &fakeGateway{page: c.page, next: c.next}
		listener := start(t, New(g, Options{}).Handler())
		r := roundTrip(t, listener, loopback, request("GET", c.target, ""), "GET")
		if r.status != 200 || r.body != c.want {
			t.Errorf("%s: got %d %s, want 200 %s", c.target, r.status, r.body, c.want)
		}
		if calls := g.taken(); !slices.Equal(calls, []string{c.call}) {
			t.Errorf("%s: the gateway was asked for %q, want %q", c.target, calls, c.call)
		}
	}
	g := &fakeGateway{}
	listener := start(t, New(g, Options{}).Handler())
	for _, query := range []string{"limit=", "limit=0", "limit=-1", "limit=10001", "limit=1e2", "limit=%2B1", "limit=x", "limit=1%20", "limit=18446744073709551617", "node=%ff", "cursor=%ff"} {
		r := roundTrip(t, listener, loopback, request("GET", sessions+"?"+query, ""), "GET")
		if r.status != 400 || !strings.Contains(r.problem(t).Detail, map[bool]string{true: "limit must be", false: "UTF-8"}[strings.HasPrefix(query, "limit")]) {
			t.Errorf("%s: got %d %s, want 400", query, r.status, r.body)
		}
	}
	if calls := g.taken(); len(calls) != 0 {
		t.Errorf("the gateway was called: %q", calls)
	}
	g.err = fmt.Errorf("page: %w", cluster.ErrBadCursor)
	if r := roundTrip(t, listener, loopback, request("GET", sessions+"?cursor=x", ""), "GET"); r.status != 400 || !strings.Contains(r.problem(t).Detail, "cursor") {
		t.Errorf("a bad cursor: got %d %s, want 400", r.status, r.body)
	}
}

// TestPresenceAway asks every call that needs presence while it is not there.
func TestPresenceAway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		retry  string
		detail string
	}{
		{fmt.Errorf("dial tcp TOPSECRET: %w", cluster.ErrAway), 503, "5", "presence is away"},
		{ErrClosing, 503, "", "shutting down"},
		{errors.New("TOPSECRET"), 500, "", "see the log"},
	} {
		g := &fakeGateway{err: c.err, sessions: 3}
		listener := start(t, New(g, Options{}).Handler())
		for _, line := range []string{"GET online/count", "GET online/users", "GET online/users/1", "POST online/users", "GET online/nodes", "GET online/sessions"} {
			method, path, _ := strings.Cut(line, " ")
			body := map[string]string{"POST": `{"userIds":["a"]}`}[method]
			r := roundTrip(t, listener, loopback, request(method, "/websocket/"+path, body, asJSON), method)
			if r.status != c.status || r.header.Get("Retry-After") != c.retry || !strings.Contains(r.problem(t).Detail, c.detail) || strings.Contains(r.body, "TOPSECRET") {
				t.Errorf("%s: %v: got %d %v %s, want %d, Retry-After %q, %q", line, c.err, r.status, r.header, r.body, c.status, c.retry, c.detail)
			}
		}
		if r := roundTrip(t, listener, loopback, request("GET", "/websocket/online/session/count", ""), "GET"); r.status != 200 || r.body != "3" {
			t.Errorf("sessions of this node: got %d %s, want 200 3", r.status, r.body)
		}
	}
}

// FuzzParseUsers compares with encoding/json.
func FuzzParseUsers(f *testing.F) {
	for _, seed := range []string{`{"userIds":["1",2,"1"]}`, `{"userIds":[]}`, `{"userIds":null}`, `{"userIds":[1.50,1.5]}`, "\ufeff{\"userIds\":[\"\\ud83d\\ude00\"]}",
		`{"userIds":[null]}`, `{"x":{},"userIds":["a"]} x`, `[]`, ``, `{"userIds":["\ud800"]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		kept := bytes.Clone(body)
		users, err := parseUsers(body)
		if !bytes.Equal(body, kept) {
			t.Fatalf("the body was changed from %q to %q", kept, body)
		}
		if err != nil {
			if users != nil {
				t.Fatalf("refused (%v) with %q", err, users)
			}
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(bytes.TrimPrefix(body, byteOrderMark), &members); err != nil {
			t.Fatalf("taken, but encoding/json says %v", err)
		}
		want := []string{}
		for _, u := range decode(t, members["userIds"]).([]any) {
			if user := fmt.Sprint(u); !slices.Contains(want, user) {
				want = append(want, user)
			}
		}
		if users == nil || !slices.Equal(users, want) {
			t.Fatalf("got %q, want %q", users, want)
		}
	})
}
