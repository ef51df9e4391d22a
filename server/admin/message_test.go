package admin

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/valyala/fasthttp"
)

// TestPushOutlivesBody overwrites the body after it was read.
func TestPushOutlivesBody(t *testing.T) {
	t.Parallel()
	for _, message := range []string{`"text"`, `{"a":[1,"x"]}`, `12345`} {
		body := []byte(`{"userIds":["u1",22,"u3"],"message":` + message + `}`)
		p, err := parsePush(body, true)
		if err != nil {
			t.Fatal(err)
		}
		for i := range body {
			body[i] = '#'
		}
		if want := strings.Trim(message, `"`); string(p.message) != want || !slices.Equal(p.users, []string{"u1", "22", "u3"}) {
			t.Errorf("after the body was overwritten: %q for %q, want %q", p.message, p.users, want)
		}
	}
}

// TestSyntaxErrorsQuoteNothing keeps what was sent out of the answer, which may be logged on the other side.
func TestSyntaxErrorsQuoteNothing(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"TOPSECRET", `{TOPSECRET`, `{"TOPSECRET"}`, `{"message":TOPSECRET}`, `{"TOPSECRET":"\ud800"}`, `{"userIds":{"TOPSECRET":1},"message":1}`} {
		if _, err := parsePush([]byte(body), true); err == nil || strings.Contains(err.Error(), "TOPSECRET") {
			t.Errorf("%s: error %v, want one without the text", body, err)
		}
	}
	if _, err := parsePush([]byte(`{"message":x}`), false); err == nil || !strings.Contains(err.Error(), "at byte 11") {
		t.Errorf("error %v, want one that says where", err)
	}
}

// FuzzParsePush compares with encoding/json: what is taken, encoding/json takes too, and finds the same in it.
func FuzzParsePush(f *testing.F) {
	for _, seed := range []string{
		`{"message":"m"}`, `{"userIds":["1",2,"1"],"message":{"a": [1.50, null, "\u0041\ud83d\ude00"]}}`,
		`{"message":null,"message":1e400}`, "\ufeff{\"message\":\"\"}", `{"message":"\ud800"}`, `{"message":"m"}x`,
		`{"userIds":[[]],"message":"m"}`, `{"userIds":null,"message":"m"}`, `[]`, ``, `{"mess\u0061ge":-0.0}`, "{\"message\":\"\xff\"}",
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, withUsers bool) {
		kept := bytes.Clone(body)
		p, err := parsePush(body, withUsers)
		if !bytes.Equal(body, kept) {
			t.Fatalf("the body was changed from %q to %q", kept, body)
		}
		if err != nil {
			if p.message != nil || p.users != nil {
				t.Fatalf("refused (%v) with %+v", err, p)
			}
			return
		}
		if p.message == nil || !utf8.Valid(p.message) {
			t.Fatalf("message %q", p.message)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(bytes.TrimPrefix(body, byteOrderMark), &members); err != nil {
			t.Fatalf("taken, but encoding/json says %v", err)
		}
		want, got := decode(t, members["message"]), any(string(p.message))
		if _, isText := want.(string); !isText {
			got = decode(t, p.message)
			var compact bytes.Buffer
			if err := json.Compact(&compact, p.message); err != nil || compact.String() != string(p.message) {
				t.Fatalf("message %q has white space", p.message)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("message = %q, want %q", got, want)
		}
		if !withUsers {
			if p.users != nil {
				t.Fatalf("users %q were not asked for", p.users)
			}
			return
		}
		var users []string
		for _, u := range decode(t, members["userIds"]).([]any) {
			var user string
			switch u := u.(type) {
			case string:
				user = u
			case json.Number:
				user = u.String()
			default:
				t.Fatalf("%v was taken for a user", u)
			}
			if !slices.Contains(users, user) {
				users = append(users, user)
			}
		}
		if !slices.Equal(p.users, users) {
			t.Fatalf("users = %q, want %q", p.users, users)
		}
	})
}

func decode(t *testing.T, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

func BenchmarkParsePush(b *testing.B) {
	envelope := `{"type":"BIZ","code":"NOTICE_PUSH","data":{"text":"` + strings.Repeat("x", 60) + `"}}`
	text, err := json.Marshal(envelope)
	if err != nil {
		b.Fatal(err)
	}
	for name, body := range map[string]string{
		"string/128B":  `{"message":` + string(text) + `}`,
		"object/128B":  `{"message":` + envelope + `}`,
		"string/64KiB": `{"message":"` + strings.Repeat("x", 64<<10) + `"}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := parsePush([]byte(body), false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPush is a whole call, from the parsed request on: routing, access, body, answer.
func BenchmarkPush(b *testing.B) {
	g := &fakeGateway{}
	handler := New(g, Options{Tokens: []string{"t"}}).Handler()
	var request fasthttp.Request
	request.SetRequestURI("/websocket/send/user/10001")
	request.Header.SetMethod("POST")
	request.Header.SetHost("localhost")
	request.Header.SetContentType("application/json")
	request.Header.Set("Authorization", "Bearer t")
	request.SetBodyString(`{"message":"{\"type\":\"BIZ\",\"code\":\"NOTICE_PUSH\",\"data\":{\"text\":\"hello\"}}"}`)
	var ctx fasthttp.RequestCtx
	b.ReportAllocs()
	for b.Loop() {
		ctx.Init(&request, remote, nil)
		ctx.Response.Reset()
		if handler(&ctx); ctx.Response.StatusCode() != 200 {
			b.Fatalf("%d %s", ctx.Response.StatusCode(), ctx.Response.Body())
		}
		g.calls = g.calls[:0]
	}
}
