package admin

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestKickAll(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{}
	listener := start(t, New(g, Options{}).Handler())
	full := strings.Repeat("é", 61) + "x" // 123 bytes
	for body, want := range map[string]string{
		`{"confirm":"kick all"}`:                                     `{Node: Code:1000 Reason: Spread:0s}`,
		`{"confirm":"kick\u0020all"}`:                                `{Node: Code:1000 Reason: Spread:0s}`,
		`{"node":"node-b","confirm":"kick all"}`:                     `{Node:node-b Code:1000 Reason: Spread:0s}`,
		`{"confirm":"kick all","code":1012,"reason":"moved"}`:        `{Node: Code:1012 Reason:moved Spread:0s}`,
		`{"confirm":"kick all","code":3000,"reason":""}`:             `{Node: Code:3000 Reason: Spread:0s}`,
		`{"confirm":"kick all","code":4999,"reason":"` + full + `"}`: `{Node: Code:4999 Reason:` + full + ` Spread:0s}`,
		`{"confirm":"kick all","spread":"10s"}`:                      `{Node: Code:1000 Reason: Spread:10s}`,
		`{"confirm":"kick all","spread":1500}`:                       `{Node: Code:1000 Reason: Spread:1.5s}`,
		`{"confirm":"kick all","spread":"1500"}`:                     `{Node: Code:1000 Reason: Spread:1.5s}`,
		`{"confirm":"kick all","spread":"10m"}`:                      `{Node: Code:1000 Reason: Spread:10m0s}`,
		`{"confirm":"kick all","spread":0}`:                          `{Node: Code:1000 Reason: Spread:0s}`,
	} {
		r := roundTrip(t, listener, loopback, request("POST", "/websocket/kick/all", body, asJSON), "POST")
		if r.status != 200 || r.body != "" {
			t.Errorf("%s: got %d %s, want an empty 200", body, r.status, r.body)
		}
		if calls := g.taken(); !slices.Equal(calls, []string{"kick all " + want + " false"}) {
			t.Errorf("%s: the gateway was asked for %q, want %s", body, calls, want)
		}
	}
}

func TestKickAllRefused(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{}
	listener := start(t, New(g, Options{}).Handler())
	for _, c := range []struct{ body, want string }{
		{``, "not valid JSON"},
		{`{}`, `"confirm" must be "kick all"`},
		{`[]`, "must be a JSON object"},
		{`{"confirm":"kick all"} {}`, "text after"},
		{`{"confirm":true}`, `"confirm" must be "kick all"`},
		{`{"confirm":null}`, `"confirm" must be "kick all"`},
		{`{"confirm":""}`, `"confirm" must be "kick all"`},
		{`{"confirm":"Kick all"}`, `"confirm" must be "kick all"`},
		{`{"confirm":" kick all"}`, `"confirm" must be "kick all"`},
		{`{"confirm":["kick all"]}`, `"confirm" must be "kick all"`},
		{`{"Confirm":"kick all"}`, `"Confirm" is not a member`},
		{`{"confirm":"kick all","confirm":"kick all"}`, `"confirm" is there twice`},
		{`{"confirm":"kick all","nodes":"a"}`, `"nodes" is not a member`},
		{`{"confirm":"kick all","node":""}`, `"node" must be`},
		{`{"confirm":"kick all","node":null}`, `"node" must be`},
		{`{"confirm":"kick all","node":["a"]}`, `"node" must be`},
		{`{"confirm":"kick all","node":"a","node":"b"}`, `"node" is there twice`},
		{`{"confirm":"kick all","code":"1000"}`, `"code" must be`},
		{`{"confirm":"kick all","code":1000.0}`, `"code" must be`},
		{`{"confirm":"kick all","code":1e3}`, `"code" must be`},
		{`{"confirm":"kick all","code":null}`, `"code" must be`},
		{`{"confirm":"kick all","code":66536}`, `"code" must be`},
		{`{"confirm":"kick all","code":-1000}`, `"code" must be`},
		{`{"confirm":"kick all","reason":null}`, `"reason" must be`},
		{`{"confirm":"kick all","reason":7}`, `"reason" must be`},
		{`{"confirm":"kick all","reason":"` + strings.Repeat("é", 62) + `"}`, `"reason" must be`},
		{`{"confirm":"kick all","reason":"\ud800"}`, "not valid JSON"},
		{`{"confirm":"kick all","spread":null}`, `"spread" must be`},
		{`{"confirm":"kick all","spread":""}`, `"spread" must be`},
		{`{"confirm":"kick all","spread":-1}`, `"spread" must be`},
		{`{"confirm":"kick all","spread":1.5}`, `"spread" must be`},
		{`{"confirm":"kick all","spread":600001}`, `"spread" must be`},
		{`{"confirm":"kick all","spread":"10m1ms"}`, `"spread" must be`},
		{`{"confirm":"kick all","spread":"soon"}`, `"spread" must be`},
		{`{"confirm":"kick all","spread":"99999999999d"}`, `"spread" must be`},
	} {
		r := roundTrip(t, listener, loopback, request("POST", "/websocket/kick/all", c.body, asJSON), "POST")
		if r.status != 400 || !strings.Contains(r.problem(t).Detail, c.want) {
			t.Errorf("%s: got %d %s, want 400 with %q", c.body, r.status, r.body, c.want)
		}
	}
	if r := roundTrip(t, listener, loopback, request("POST", "/websocket/kick/all", `{"confirm":"kick all"}`, "Content-Type: text/plain"), "POST"); r.status != 415 {
		t.Errorf("as text: got %d, want 415", r.status)
	}
	if calls := g.taken(); len(calls) != 0 {
		t.Errorf("the gateway was called: %q", calls)
	}
}

// TestKickAllCodes tries every code there can be.
func TestKickAllCodes(t *testing.T) {
	t.Parallel()
	for code := range 1 << 16 {
		text, err := json.Marshal(code)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Contains([]int{1000, 1001, 1008, 1012, 1013}, code) || code >= 3000 && code <= 4999
		kick, err := parseKickAll([]byte(`{"confirm":"kick all","code":` + string(text) + `}`))
		if (err == nil) != want || err == nil && int(kick.Code) != code {
			t.Errorf("%d: got %d, %v, want taken: %v", code, kick.Code, err, want)
		}
	}
}

// FuzzParseKickAll checks that what is taken is safe to carry out, and that it was confirmed.
func FuzzParseKickAll(f *testing.F) {
	for _, seed := range []string{
		`{"confirm":"kick all"}`, `{"confirm":"kick all","node":"n","code":4001,"reason":"r","spread":"10s"}`, `{"confirm":true}`,
		`{"confirm":"kick all","spread":600000}`, `{"confirm":"kick all","code":1e3}`, `{"co\u006efirm":"kick\u0020all"}`, `{"confirm":"kick all","confirm":1}`, ``, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		kick, err := parseKickAll(body)
		if err != nil {
			if kick != (KickAll{}) {
				t.Fatalf("refused (%v) with %+v", err, kick)
			}
			return
		}
		members, ok := decode(t, []byte(strings.TrimPrefix(string(body), string(byteOrderMark)))).(map[string]any)
		if !ok || members["confirm"] != confirmation {
			t.Fatalf("taken without a confirmation: %v", members)
		}
		node, filtered := members["node"]
		if filtered != (kick.Node != "") || filtered && node != kick.Node {
			t.Fatalf("node %v became %q", node, kick.Node)
		}
		if reason, ok := members["reason"]; ok && reason != kick.Reason || !ok && kick.Reason != "" {
			t.Fatalf("reason %v became %q", reason, kick.Reason)
		}
		if len(kick.Reason) > 123 || !utf8.ValidString(kick.Reason) || kick.Spread < 0 || kick.Spread > 10*time.Minute || kick.Code < 1000 {
			t.Fatalf("got %+v", kick)
		}
	})
}
