package plan

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestMaskURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ws://h/ws":                                 "ws://h/ws",
		"ws://h/ws?token=abc&x=1":                   "ws://h/ws?token=***&x=1",
		"ws://h/ws?x=1&Access_Token=abc":            "ws://h/ws?x=1&Access_Token=***",
		"ws://h?api-key=abc":                        "ws://h?api-key=***",
		"ws://h?to%6ben=abc":                        "ws://h?to%6ben=***",
		"ws://h?key=abc;sig=def":                    "ws://h?key=***&sig=***",
		"ws://h?token={{.Token}}":                   "ws://h?token={{.Token}}",
		"ws://h?token={{.Token}}abc":                "ws://h?token=***",
		`ws://h?token={{"abc"}}`:                    "ws://h?token=***",
		"ws://h?token=":                             "ws://h?token=",
		"ws://h?monkey=1":                           "ws://h?monkey=1",
		"http://user:pass@h:1/m?x=1":                "http://***@h:1/m?x=1",
		"http://user:p@ss@h/":                       "http://***@h/",
		"http://h/a@b":                              "http://h/a@b",
		"http://user:pass@h?token=abc":              "http://***@h?token=***",
		"ws://h/#access_token=abc":                  "ws://h/#***",
		"{{.ID}}":                                   "{{.ID}}",
		"h/ws?token=abc":                            "h/ws?token=***",
		"ws://h/{{.ID}}?user={{.User}}&password=xy": "ws://h/{{.ID}}?user={{.User}}&password=***",
	} {
		if got := MaskURL(in); got != want {
			t.Errorf("MaskURL(%q): got %q, want %q", in, got, want)
		}
	}
}

func TestMaskHeader(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"Origin", "http://h", "http://h"},
		{"Authorization", "Bearer hunter2", "Bearer ***"},
		{"authorization", "hunter2", "***"},
		{"Authorization", "Bearer {{.Token}}", "Bearer {{.Token}}"},
		{"Authorization", "{{.Token}}", "{{.Token}}"},
		{"Authorization", `Bearer {{"hunter2"}}`, "Bearer ***"},
		{"Proxy-Authorization", "Basic hunter2", "Basic ***"},
		{"Cookie", "session=hunter2", "***"},
		{"Cookie", "a=1; session=hunter2", "***"},
		{"X-Api-Key", "hunter2", "***"},
		{"X_Auth_Token", "hunter2", "***"},
		{"X-Monkey", "banana", "banana"},
		{"Sec-WebSocket-Protocol", "bearer, hunter2", "bearer, ***"},
	} {
		if got := maskHeader(tt.name, tt.in); got != tt.want {
			t.Errorf("%s: %s: got %q, want %q", tt.name, tt.in, got, tt.want)
		}
	}
}

func TestMasked(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	p := Plan{
		AgentToken: secret, Name: "n", FailIf: []string{"p99>5ms"}, PIDs: []int{1}, MetricsURL: []string{"http://u:" + secret + "@localhost/"},
		Scenarios: []Scenario{
			{
				Kind: Push, URL: "ws://localhost/?token=" + secret, JWTSecret: secret, Subprotocol: "bearer," + secret, Ignore: []string{"x"},
				Headers: map[string]string{"Authorization": "Bearer " + secret, "X-A": "b"},
				Publish: &Publish{URL: "http://localhost/?key=" + secret, Headers: map[string]string{"Cookie": secret}, Status: []int{200}},
			},
			{Kind: Storm, Storm: &Storming{Cycles: 1, Backoff: &Backoff{Base: 1}}},
			{Kind: Slow, Slow: &Slowness{Share: 1}},
			{Kind: Churn, Churn: &Churning{Rate: 1}},
		},
	}
	before, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	m := p.Masked()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), secret) {
		t.Errorf("the masked plan has the secret: %s", b)
	}
	if m.Scenarios[0].Headers["X-A"] != "b" || m.AgentToken != "***" || m.Scenarios[0].Publish.Headers["Cookie"] != "***" {
		t.Errorf("got %s", b)
	}
	scribble(reflect.ValueOf(m).Elem())
	if after, _ := json.Marshal(p); string(after) != string(before) {
		t.Errorf("the copy shares memory with the plan\nbefore %s\nafter  %s", before, after)
	}
}

// scribble changes everything that v refers to.
func scribble(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			scribble(v.Field(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			scribble(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			scribble(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			v.SetMapIndex(key, reflect.ValueOf("scribble"))
		}
	case reflect.String:
		v.SetString("scribble")
	case reflect.Int, reflect.Int64:
		v.SetInt(99)
	case reflect.Float64:
		v.SetFloat(99)
	}
}

func TestMaskArgs(t *testing.T) {
	t.Parallel()
	args := []string{
		"bench", "push", "ws://localhost/?token=hunter2", "-c", "10", "--jwt-secret", "hunter2", "--agent-token=hunter2", "-H", "Authorization: Bearer hunter2",
		"-HCookie: hunter2", "--header=X-Token: hunter2=x", "--publish-url", "http://localhost/?key=hunter2", "--message", "a=b", "--subprotocol=bearer,hunter2",
		"--publish-header", "hunter2", "--jwt-secret",
	}
	before := slices.Clone(args)
	want := []string{
		"bench", "push", "ws://localhost/?token=***", "-c", "10", "--jwt-secret", "***", "--agent-token=***", "-H", "Authorization: Bearer ***",
		"-HCookie: ***", "--header=X-Token: ***", "--publish-url", "http://localhost/?key=***", "--message", "a=b", "--subprotocol=bearer, ***",
		"--publish-header", "***", "--jwt-secret",
	}
	if got := MaskArgs(args); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if !slices.Equal(args, before) {
		t.Error("the arguments themselves were changed")
	}
}
