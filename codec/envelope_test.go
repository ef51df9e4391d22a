package codec

import (
	"encoding/json"
	"strings"
	"testing"
)

// want of an envelope: kind, then code and data; "-" is absent.
type envelopeCase struct {
	name, in string
	kind     Kind
	typ      string
	code     string
	data     string
}

var envelopeCases = []envelopeCase{
	{"heartbeat", HeartbeatRequest, KindHeartbeat, "HEARTBEAT", "-", "-"},
	{"heartbeat with white space", " {\t\"type\" :\r\n\"HEARTBEAT\" } \n", KindHeartbeat, "HEARTBEAT", "-", "-"},
	{"heartbeat with an escape", `{"type":"HEART\u0042EAT"}`, KindHeartbeat, "HEARTBEAT", "-", "-"},
	{"heartbeat all escapes", `{"\u0074\u0079\u0070\u0065":"\u0048\u0045\u0041\u0052\u0054\u0042\u0045\u0041\u0054"}`, KindHeartbeat, "HEARTBEAT", "-", "-"},
	{"type last", `{"time":1,"x":[{}],"type":"HEARTBEAT"}`, KindHeartbeat, "HEARTBEAT", "-", "-"},
	{"other members", `{"type":"HEARTBEAT","id":7,"nested":{"type":"BIZ","code":"NO"}}`, KindHeartbeat, "HEARTBEAT", "-", "-"},
	{"padding", `{"type":"HEARTBEAT","pad":"` + strings.Repeat("p", 8000) + `"}`, KindHeartbeat, "HEARTBEAT", "-", "-"},
	{"last of two types", `{"type":"BIZ","type":"HEARTBEAT"}`, KindHeartbeat, "HEARTBEAT", "-", "-"},
	{"last of two types is no string", `{"type":"HEARTBEAT","type":1}`, KindMissing, "-", "-", "-"},
	{"last of two types, one escaped", `{"type":"HEARTBEAT","typ\u0065":"BIZ"}`, KindBiz, "BIZ", "-", "-"},
	{"ack", `{"type":"HEARTBEAT_ACK"}`, KindHeartbeatAck, "HEARTBEAT_ACK", "-", "-"},
	{"biz", `{"type":"BIZ","code":"CHAT_SEND","data":{"a":[1,2,{"b":null}]}}`, KindBiz, "BIZ", "CHAT_SEND", `{"a":[1,2,{"b":null}]}`},
	{"biz without code", `{"type":"BIZ"}`, KindBiz, "BIZ", "-", "-"},
	{"biz with a number for a code", `{"type":"BIZ","code":5}`, KindBiz, "BIZ", "-", "-"},
	{"biz with null for a code", `{"type":"BIZ","code":null}`, KindBiz, "BIZ", "-", "-"},
	{"biz with an empty code", `{"type":"BIZ","code":""}`, KindBiz, "BIZ", "", "-"},
	{"biz with two codes", `{"code":"A","type":"BIZ","code":"B"}`, KindBiz, "BIZ", "B", "-"},
	{"data null", `{"type":"BIZ","code":"A","data":null}`, KindBiz, "BIZ", "A", "null"},
	{"data string", `{"type":"BIZ","code":"A","data":"x\u0041" }`, KindBiz, "BIZ", "A", `"x\u0041"`},
	{"data number", `{"data":-1.50e+3,"type":"BIZ","code":"A"}`, KindBiz, "BIZ", "A", "-1.50e+3"},
	{"data with white space", `{"data": [ 1 , 2 ] ,"type":"BIZ"}`, KindBiz, "BIZ", "-", "[ 1 , 2 ]"},
	{"two data", `{"type":"BIZ","data":1,"data":2}`, KindBiz, "BIZ", "-", "2"},
	{"both escaped", `{"type":"B\u0049Z","code":"\u4f60\ud83d\ude00\n\"\\\/\b\f\r\t"}`, KindBiz, "BIZ", "你😀\n\"\\/\b\f\r\t", "-"},
	{"lone surrogates", `{"type":"BIZ","code":"\ud800x\udc00\ud800\u0041\ud800\ud83d\ude00"}`, KindBiz, "BIZ", "\ufffdx\ufffd\ufffdA\ufffd😀", "-"},
	{"unknown type", `{"type":"PING"}`, KindUnknown, "PING", "-", "-"},
	{"lower case type", `{"type":"heartbeat"}`, KindUnknown, "heartbeat", "-", "-"},
	{"type with a blank", `{"type":" HEARTBEAT"}`, KindUnknown, " HEARTBEAT", "-", "-"},
	{"empty type", `{"type":""}`, KindUnknown, "", "-", "-"},
	{"name in another case", `{"Type":"HEARTBEAT","TYPE":"BIZ"}`, KindMissing, "-", "-", "-"},
	{"name with more", `{"typex":"BIZ","typ":"BIZ","":"BIZ"}`, KindMissing, "-", "-", "-"},
	{"name of many escapes", `{"\u0074\u0079\u0070\u0065\u0065":"BIZ"}`, KindMissing, "-", "-", "-"},
	{"empty object", ` { } `, KindMissing, "-", "-", "-"},
	{"type number", `{"type":1}`, KindMissing, "-", "-", "-"},
	{"type null", `{"type":null}`, KindMissing, "-", "-", "-"},
	{"type object", `{"type":{"type":"BIZ"}}`, KindMissing, "-", "-", "-"},
	{"code without type", `{"code":"A"}`, KindMissing, "-", "A", "-"},
}

func orDash(b []byte) string {
	if b == nil {
		return "-"
	}
	return string(b)
}

func TestParseEnvelope(t *testing.T) {
	t.Parallel()
	var e Envelope // shared on purpose: nothing of the case before may shine through
	for _, tt := range envelopeCases {
		if err := ParseEnvelope([]byte(tt.in), &e); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if e.Kind != tt.kind || orDash(e.Type) != tt.typ || orDash(e.Code) != tt.code || orDash(e.Data) != tt.data || e.HasCode != (tt.code != "-") {
			t.Errorf("%s: got %v %q %q %q, want %v %q %q %q", tt.name, e.Kind, orDash(e.Type), orDash(e.Code), orDash(e.Data), tt.kind, tt.typ, tt.code, tt.data)
		}
	}
}

var badJSON = []string{
	"", " ", "{", "}", "{bad", `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":1 "b":2}`, `{"a":1}}`, `{"type":"HEARTBEAT"}garbage`,
	`{"type":"HEARTBEAT"}` + "\x00", "\ufeff" + `{"type":"HEARTBEAT"}`, `{'type':'HEARTBEAT'}`, `{type:1}`, `[1,]`, `[,1]`, `[1 2]`, `[`, `]`,
	`[1}`, `{"a":1]`, `{"a":[}`, "nul", "nulll", "True", "01", "-", "+1", "1.", ".5", "1e", "1e+", "--1", "0x1", "1_0", "NaN", "Infinity",
	`"`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`, `"a` + "\n" + `"`, "\"\x1f\"", "\"tab\t\"", `"\`, `{"a\":1}`, `{"a":"\ud8"}`, `{"type":"BIZ","code":"A}`,
	"// c\n1", "1 /* */", "{}{}", "1 2", "\v1", "\f1", "\u00a01", `{"a":1,"b"}`, `{"a":1;"b":2}`, `{1:2}`, `{null:1}`,
}

var notObjects = []string{"[]", `[{"type":"HEARTBEAT"}]`, "null", "true", "false", "5", "-0", "0", "1.5e-7", `"str"`, `""`, ` [ ] `, `"\ud800"`, "[[],{},\"\"]", "1E400"}

func TestParseEnvelopeErrors(t *testing.T) {
	t.Parallel()
	check := func(in string, want error) {
		t.Helper()
		e := Envelope{Kind: KindBiz, HasCode: true, Data: []byte("old")}
		if err := ParseEnvelope([]byte(in), &e); err != want {
			t.Errorf("%q: got %v, want %v", in, err, want)
		}
		if e.Kind != KindInvalid || e.HasCode || e.Type != nil || e.Code != nil || e.Data != nil {
			t.Errorf("%q: got %+v, want nothing", in, e)
		}
	}
	for _, in := range badJSON {
		check(in, ErrBadJSON)
		if json.Valid([]byte(in)) {
			t.Errorf("%q is valid JSON", in)
		}
	}
	for _, in := range notObjects {
		check(in, ErrNotObject)
	}
	nest := func(open, shut string, n int) string { return strings.Repeat(open, n) + strings.Repeat(shut, n) }
	check(`{"a":`+nest("[", "]", MaxDepth)+`}`, ErrTooDeep)
	check(strings.Repeat(`{"a":`, MaxDepth+1), ErrTooDeep)
	check(nest("[", "]", MaxDepth), ErrNotObject)
	check(nest("[", "]", MaxDepth+1), ErrTooDeep)
	var e Envelope
	if err := ParseEnvelope([]byte(`{"type":"BIZ","a":`+nest("[", "]", MaxDepth-1)+`}`), &e); err != nil || e.Kind != KindBiz {
		t.Errorf("at the limit of depth: got %v %v", e.Kind, err)
	}
	// Every level an object or an array, in every mixture of a few.
	for mix := range 1 << 10 {
		open, shut := "", ""
		for i := range 10 {
			if mix>>i&1 == 0 {
				open, shut = open+"[", "]"+shut
			} else {
				open, shut = open+`{"k":`, "}"+shut
			}
		}
		if err := ValidJSON([]byte(open + "1" + shut)); err != nil {
			t.Fatalf("%s: %v", open, err)
		}
		wrong := []byte(open + "1" + shut)
		k := len(open) + 1 + mix%10
		wrong[k] ^= ']' ^ '}'
		if err := ValidJSON(wrong); err != ErrBadJSON {
			t.Fatalf("%s: got %v", wrong, err)
		}
	}
}

// Every single-byte change of a document: the scanner and encoding/json agree.
func TestValidJSONAgreesOnMutations(t *testing.T) {
	t.Parallel()
	doc := []byte(` {"a":[1,-2.5e+10,"x\u00e9\n",true,false,null,{}],"long string beyond a word":"\ud83d\ude00 éé","":[[]]} `)
	for i := range doc {
		old := doc[i]
		for c := range 256 {
			doc[i] = byte(c)
			if got, want := ValidJSON(doc) == nil, json.Valid(doc); got != want {
				t.Errorf("%q: got %v, want %v", doc, got, want)
			}
		}
		doc[i] = old
		if got, want := ValidJSON(doc[:i]) == nil, json.Valid(doc[:i]); got != want {
			t.Errorf("%q: got %v, want %v", doc[:i], got, want)
		}
	}
}

// A special character at every place of strings of every length: the scanner looks at words.
func TestSkipStringEveryPlace(t *testing.T) {
	t.Parallel()
	for n := range 40 {
		for i := range n {
			for c := range 256 {
				s := []byte(strings.Repeat("a", n))
				s[i] = byte(c)
				doc := append(append([]byte{'"'}, s...), '"')
				if got, want := ValidJSON(doc) == nil, json.Valid(doc); got != want {
					t.Fatalf("%q: got %v, want %v", doc, got, want)
				}
			}
		}
	}
}

func TestCompactJSON(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		" { \"a\" : [ 1.50 , 1e3 ,\tnull ] ,\r\n\"b c\" : \" x  y \" } ": `{"a":[1.50,1e3,null],"b c":" x  y "}`,
		`{"z":1,"a":2,"z":3}`:             `{"z":1,"a":2,"z":3}`,
		` "<&>\u2028 \" \\" `:             `"<&>\u2028 \" \\"`,
		" 12345678901234567890123456789 ": "12345678901234567890123456789",
		"\"\u2028\"":                      "\"\u2028\"",
	} {
		got, err := CompactJSON([]byte("dst"), []byte(in))
		if err != nil || string(got) != "dst"+want {
			t.Errorf("%q: got %q %v, want %q", in, got, err, want)
		}
	}
	if got, err := CompactJSON([]byte("dst"), []byte("{")); err != ErrBadJSON || string(got) != "dst" {
		t.Errorf("got %q %v", got, err)
	}
}

func TestAppendEnvelope(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ typ, code, data, want string }{
		{"", "", "", `{}`},
		{"HEARTBEAT_ACK", "", "", `{"type":"HEARTBEAT_ACK"}`},
		{"BIZ", "CHAT_RECEIVE", `{"a":1}`, `{"type":"BIZ","code":"CHAT_RECEIVE","data":{"a":1}}`},
		{"", "A", "", `{"code":"A"}`},
		{"", "", "null", `{"data":null}`},
		{"BIZ", "", "1", `{"type":"BIZ","data":1}`},
		{"", "A", "1", `{"code":"A","data":1}`},
		{"B\"\\\n\r\t\x01\x1f", "é😀\u2028<&>", "", `{"type":"B\"\\\n\r\t\u0001\u001f","code":"é😀` + "\u2028" + `<&>"}`},
		{"\xff", "\xed\xa0\x80", "", `{"type":"` + "\ufffd" + `","code":"` + "\ufffd\ufffd\ufffd" + `"}`},
	} {
		if got := string(AppendEnvelope([]byte("x"), tt.typ, tt.code, []byte(tt.data))); got != "x"+tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestIsHeartbeat(t *testing.T) {
	t.Parallel()
	if !IsHeartbeat([]byte(`{"type":"HEARTBEAT"}`)) {
		t.Error("not seen")
	}
	for _, s := range []string{"", `{"type":"HEARTBEAT"} `, `{"type":"HEARTBEAT_ACK"}`, `{"type":"heartbeat"}`, `{"type": "HEARTBEAT"}`} {
		if IsHeartbeat([]byte(s)) {
			t.Errorf("%q taken for one", s)
		}
	}
}

func TestKindString(t *testing.T) {
	t.Parallel()
	want := []string{"invalid", "unknown", "missing", "heartbeat", "heartbeat_ack", "biz", "kind(6)"}
	for k, w := range want {
		if got := Kind(k).String(); got != w {
			t.Errorf("got %q, want %q", got, w)
		}
	}
}

// stringMember is what encoding/json says about a member: the last one counts.
func stringMember(m map[string]json.RawMessage, name string) (string, bool) {
	raw, ok := m[name]
	if !ok || len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", false
	}
	return s, true
}

func FuzzEnvelope(f *testing.F) {
	for _, c := range envelopeCases {
		f.Add([]byte(c.in))
	}
	for _, s := range append(badJSON, notObjects...) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := string(b)
		var e Envelope
		err := ParseEnvelope(b, &e)
		if string(b) != before {
			t.Fatal("the message was changed")
		}
		if err == ErrTooDeep {
			if strings.Count(before, "[")+strings.Count(before, "{") <= MaxDepth {
				t.Fatalf("too deep: %q", before)
			}
			return
		}
		valid := json.Valid(b)
		if (err == ErrBadJSON) == valid {
			t.Fatalf("%q: got %v, encoding/json says %v", before, err, valid)
		}
		if !valid {
			return
		}
		var m map[string]json.RawMessage
		object := json.Unmarshal(b, &m) == nil && m != nil
		if object != (err == nil) {
			t.Fatalf("%q: got %v, object %v", before, err, object)
		}
		compact, cerr := CompactJSON(nil, b)
		if cerr != nil {
			t.Fatal(cerr)
		}
		again, cerr := CompactJSON(nil, compact)
		if cerr != nil || string(again) != string(compact) {
			t.Fatalf("compacting %q gave %q, then %q %v", before, compact, again, cerr)
		}
		if !object {
			return
		}
		typ, hasType := stringMember(m, "type")
		code, hasCode := stringMember(m, "code")
		// encoding/json makes U+FFFD of bytes that are not UTF-8; our text has been checked by then.
		fix := func(b []byte) string { return strings.ToValidUTF8(string(b), "\ufffd") }
		if strings.ToValidUTF8(before, "") == before {
			if hasType != (e.Type != nil) || hasCode != e.HasCode || fix(e.Type) != typ || fix(e.Code) != code {
				t.Fatalf("%q: got %q %q, want %q %q", before, e.Type, e.Code, typ, code)
			}
			if data := m["data"]; string(data) != string(e.Data) {
				t.Fatalf("%q: got data %q, want %q", before, e.Data, data)
			}
		}
		// What is written from it reads the same.
		if typ != "" && code != "" {
			var e2 Envelope
			out := AppendEnvelope(nil, typ, code, e.Data)
			if err := ParseEnvelope(out, &e2); err != nil || string(e2.Type) != typ || string(e2.Code) != code || string(e2.Data) != string(e.Data) {
				t.Fatalf("%s: got %+v %v", out, e2, err)
			}
		}
	})
}
