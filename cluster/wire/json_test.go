package wire_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"carillon/cluster"
	"carillon/cluster/wire"
)

func asJSON(from string, op *cluster.Operation) string {
	return string(wire.AppendJSONRest(wire.AppendJSONSender(nil, from), op))
}

func everyone(payload string) cluster.Operation {
	return cluster.Operation{Kind: cluster.PushAll, Payload: payload}
}

func users(payload string, ids ...string) cluster.Operation {
	return cluster.Operation{Kind: cluster.PushUsers, Payload: payload, Users: ids}
}

func TestJSONBytes(t *testing.T) {
	for name, c := range map[string]struct {
		op   cluster.Operation
		want string
	}{
		"everyone":       {everyone("héllo"), `{"fromNode":"node-a","payload":"héllo","targetUsers":null}`},
		"users":          {users("m", "x", "10001"), `{"fromNode":"node-a","payload":"m","targetUsers":["x","10001"]}`},
		"one user":       {users("m", "x"), `{"fromNode":"node-a","payload":"m","targetUsers":["x"]}`},
		"empty payload":  {everyone(""), `{"fromNode":"node-a","payload":"","targetUsers":null}`},
		"beyond the BMP": {everyone("a😀b"), `{"fromNode":"node-a","payload":"a\uD83D\uDE00b","targetUsers":null}`},
		"the last character there is": {everyone("\U0010FFFF"),
			`{"fromNode":"node-a","payload":"\uDBFF\uDFFF","targetUsers":null}`},
		"inside the BMP": {everyone("漢\u2028\u007f\uffff/<"), `{"fromNode":"node-a","payload":"漢` + "\u2028\u007f\uffff" + `/<","targetUsers":null}`},
		"escapes": {everyone("\x00\x01\b\t\n\v\f\r\x1f\"\\"),
			`{"fromNode":"node-a","payload":"\u0000\u0001\b\t\n\u000B\f\r\u001F\"\\","targetUsers":null}`},
		"not UTF-8":       {everyone("a\xffb\xed\xa0\x80c"), `{"fromNode":"node-a","payload":"a` + "\ufffd" + `b` + "\ufffd\ufffd\ufffd" + `c","targetUsers":null}`},
		"quotes in users": {users("m", `a"b`, "😀"), `{"fromNode":"node-a","payload":"m","targetUsers":["a\"b","\uD83D\uDE00"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			got := asJSON("node-a", &c.op)
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("not valid JSON")
			}
		})
	}
}

func TestJSONHasNoOtherKinds(t *testing.T) {
	for name, op := range map[string]cluster.Operation{
		"no users": users("m"),
		"kick":     {Kind: cluster.KickUsers, Users: []string{"x"}},
		"sessions": {Kind: cluster.PushSessions, Sessions: []string{"x"}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("was encoded")
				}
			}()
			asJSON("a", &op)
		})
	}
}

func TestJSONIsReadAsTheReferenceReadsIt(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want wire.Message
	}{
		"everyone":                  {`{"fromNode":"node-a","payload":"héllo","targetUsers":null}`, wire.Message{From: "node-a", Op: everyone("héllo")}},
		"users":                     {`{"fromNode":"node-a","payload":"m","targetUsers":["x","10001"]}`, wire.Message{From: "node-a", Op: users("m", "x", "10001")}},
		"no targets":                {`{"fromNode":"node-a","payload":"m"}`, wire.Message{From: "node-a", Op: everyone("m")}},
		"empty targets":             {`{"fromNode":"node-a","payload":"m","targetUsers":[]}`, wire.Message{From: "node-a", Op: everyone("m")}},
		"a target of null":          {`{"payload":"m","targetUsers":[null,"x"]}`, wire.Message{Op: users("m", "x")}},
		"no target but null":        {`{"payload":"m","targetUsers":[null]}`, wire.Message{Op: users("m", []string{}...)}},
		"no sender":                 {`{"payload":"m"}`, wire.Message{Op: everyone("m")}},
		"sender null":               {`{"fromNode":null,"payload":"m"}`, wire.Message{Op: everyone("m")}},
		"extra members":             {`{"x":{"payload":null},"payload":"m","y":[1,{"z":null}],"z":1e99}`, wire.Message{Op: everyone("m")}},
		"members of the same name":  {`{"payload":null,"payload":"m","fromNode":"a","fromNode":"b"}`, wire.Message{From: "b", Op: everyone("m")}},
		"targets twice":             {`{"payload":"m","targetUsers":["x"],"targetUsers":null}`, wire.Message{Op: everyone("m")}},
		"white space":               {" \r\n\t{ \"payload\" : \"m\" }\n", wire.Message{Op: everyone("m")}},
		"escapes":                   {`{"p\u0061yload":"\ud83d\ude00\u0000\/"}`, wire.Message{Op: everyone("😀\x00/")}},
		"text after the object":     {`{"payload":"m"} and more`, wire.Message{Op: everyone("m")}},
		"empty payload":             {`{"payload":""}`, wire.Message{Op: everyone("")}},
		"invalid UTF-8":             {"{\"payload\":\"a\xffb\"}", wire.Message{Op: everyone("a\ufffdb")}},
		"cut character":             {"{\"payload\":\"a\xe6\xbc\"}", wire.Message{Op: everyone("a\ufffd\ufffd")}},
		"lone high surrogate":       {`{"payload":"a\ud800b"}`, wire.Message{Op: everyone("a\ufffdb")}},
		"lone low surrogate":        {`{"payload":"\udc00"}`, wire.Message{Op: everyone("\ufffd")}},
		"surrogates as UTF-8":       {"{\"payload\":\"\xed\xa0\x80\"}", wire.Message{Op: everyone("\ufffd\ufffd\ufffd")}},
		"invalid UTF-8 in the rest": {"{\"\xff\":\"\xff\",\"payload\":\"m\",\"targetUsers\":[\"\xff\"]}", wire.Message{Op: users("m", "\ufffd")}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := wire.Decode([]byte(c.body))
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

// poison is what a node of the reference rejects, and a payload of null.
var poison = map[string]string{
	"empty body":                "",
	"white space":               " \n",
	"bad JSON":                  `{bad`,
	"cut":                       `{"payload":"m"`,
	"cut in a string":           `{"payload":"m`,
	"not an object: list":       `["payload","m"]`,
	"not an object: string":     `"payload"`,
	"not an object: number":     `5`,
	"not an object: null":       `null`,
	"payload null":              `{"fromNode":"a","payload":null,"targetUsers":null}`,
	"payload missing":           `{"fromNode":"a"}`,
	"payload null the 2nd time": `{"payload":"m","payload":null}`,
	"payload an object":         `{"payload":{"a":1}}`,
	"payload a list":            `{"payload":["m"]}`,
	"payload a number":          `{"payload":5}`,
	"payload true":              `{"payload":true}`,
	"sender an object":          `{"payload":"m","fromNode":{}}`,
	"targets a string":          `{"payload":"m","targetUsers":"x"}`,
	"targets an object":         `{"payload":"m","targetUsers":{"x":1}}`,
	"a target an object":        `{"payload":"m","targetUsers":["y",{}]}`,
	"a target a list":           `{"payload":"m","targetUsers":[["x"]]}`,
	"targets cut":               `{"payload":"m","targetUsers":["x"`,
	"unescaped control":         "{\"payload\":\"a\nb\"}",
	"bad escape":                `{"payload":"\x"}`,
	"name of member no string":  `{5:"m"}`,
	"trailing comma":            `{"payload":"m",}`,
	"UTF-16":                    "{\x00\"\x00p\x00",
	"nothing but NUL":           "\x00\x00\x00\x00",
	"our magic alone":           "\xc1",
	"deep":                      `{"x":` + strings.Repeat("[", 20000) + `}`,
}

func TestPoison(t *testing.T) {
	for name, body := range poison {
		t.Run(name, func(t *testing.T) {
			m, err := wire.Decode([]byte(body))
			if err == nil {
				t.Fatalf("got %+v", m)
			}
			if strings.Contains(err.Error(), "payload\":") || len(err.Error()) > 80 {
				t.Errorf("the error shows the message: %v", err)
			}
		})
	}
}

// What an error says goes to a log, where nobody's message has a place.
func TestErrorsShowNoPayload(t *testing.T) {
	for _, body := range []string{`{"payload":"SECRET`, `{"payload":{"SECRET":1}}`, `{"payload":"\xSECRET"}`, `{SECRET}`, `{"SECRET":SECRET}`} {
		if _, err := wire.Decode([]byte(body)); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: got %v", body, err)
		}
	}
}

func FuzzJSON(f *testing.F) {
	f.Add("node-a", "héllo", "", "")
	f.Add("", "😀\x00\xff", "x", "10001")
	f.Add("n", "\xed\xa0\x80\u2028\"\\/", "\xff", "\"")
	f.Fuzz(func(t *testing.T, from, payload, a, b string) {
		op := everyone(payload)
		if a != "" {
			op = users(payload, a, b)
		}
		body := asJSON(from, &op)
		if !json.Valid([]byte(body)) || !utf8.ValidString(body) {
			t.Fatalf("not JSON: %q", body)
		}
		for _, r := range body {
			if r > 0xFFFF {
				t.Fatalf("a character beyond the BMP is not escaped: %q", body)
			}
		}
		got, err := wire.Decode([]byte(body))
		want := wire.Message{From: replaced(from), Op: op}
		want.Op.Payload = replaced(payload)
		if a != "" {
			want.Op.Users = []string{replaced(a), replaced(b)}
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
		// encoding/json reads the same.
		var std struct {
			FromNode    string
			Payload     *string
			TargetUsers []string
		}
		if err := json.Unmarshal([]byte(body), &std); err != nil || std.Payload == nil || *std.Payload != got.Op.Payload ||
			std.FromNode != got.From || !reflect.DeepEqual(std.TargetUsers, got.Op.Users) {
			t.Fatalf("encoding/json reads %+v, %v, want %+v", std, err, got)
		}
	})
}

// replaced puts U+FFFD for each byte that is not UTF-8.
func replaced(s string) string { return string([]rune(s)) }

func FuzzDecode(f *testing.F) {
	for _, body := range poison {
		f.Add([]byte(body))
	}
	f.Add([]byte(`{"fromNode":"a","payload":"\ud800","targetUsers":["x",null]}`))
	for _, m := range samples() {
		f.Add(asBinary(&m))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := wire.Decode(body)
		if err != nil {
			return
		}
		for _, s := range append(append([]string{m.From, m.Op.Payload, m.Op.Reason}, m.Op.Users...), m.Op.Sessions...) {
			if !utf8.ValidString(s) {
				t.Fatalf("%q is not UTF-8", s)
			}
		}
		again, err := wire.Decode(asBinary(&m))
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("got %+v, %v, want %+v", again, err, m)
		}
	})
}
