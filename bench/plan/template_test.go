package plan

import (
	"encoding/json"
	"strings"
	"testing"
)

var everyField = []Field{FieldID, FieldUser, FieldToken, FieldSeq, FieldMark, FieldPad, FieldMessage, FieldRaw}

var someValues = Values{
	ID: 7, Seq: 18446744073709551615, User: "ann b", Token: "a.b-c", Mark: []byte("~m~"), Message: []byte("say \"hi\"\n\x01é<"),
}

func TestAppend(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"literal", "plain } text", "plain } text"},
		{"lone closing braces", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}"},
		{"every field", "{{.ID}}|{{.User}}|{{.Token}}|{{.Seq}}|{{.Mark}}|{{.Pad 3}}", "7|ann b|a.b-c|18446744073709551615|~m~|abc"},
		{"spaces within", "<{{ .ID }}>", "<7>"},
		{"trimmed", "a  {{- .ID -}}  b", "a7b"},
		{"comment", "a{{/* nothing */}}b", "ab"},
		{"literal braces", `{{"{{"}}.ID}}`, "{{.ID}}"},
		{"JSON string", "{{.Message}}", `"say \"hi\"\n\u0001é<"`},
		{"raw", "{{.Raw}}", "say \"hi\"\n\x01é<"},
		{"no pad", "[{{.Pad 0}}]", "[]"},
		{"pad that repeats", "{{.Pad 66}}", pad(64) + "ab"},
	} {
		tmpl, err := Compile(tt.text, everyField...)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := string(tmpl.Append([]byte("> "), &someValues)); got != "> "+tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, "> "+tt.want)
		}
		if tmpl.String() != tt.text {
			t.Errorf("%s: String: got %q, want %q", tt.name, tmpl.String(), tt.text)
		}
	}
}

func TestPadIsPrintable(t *testing.T) {
	t.Parallel()
	p := pad(1000)
	if len(p) != 1000 {
		t.Fatalf("got %d bytes, want 1000", len(p))
	}
	for i := range len(p) {
		if !unreserved(p[i]) {
			t.Errorf("byte %d, %q, would have to be escaped in a URL", i, p[i])
		}
	}
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"unknown field", "{{.Name}}", "{{.Name}} cannot stand here; allowed: {{.ID}}, {{.Pad n}}"},
		{"field of elsewhere", "{{.Token}}", "{{.Token}} cannot stand here; allowed: {{.ID}}, {{.Pad n}}"},
		{"field of a field", "{{.ID.User}}", "{{.ID.User}} cannot stand here; allowed: {{.ID}}, {{.Pad n}}"},
		{"condition", "{{if .ID}}a{{end}}", "{{if .ID}}a{{end}} cannot stand here; allowed: {{.ID}}, {{.Pad n}}"},
		{"pipe", "{{.ID | print}}", `function "print" not defined`},
		{"variable", "{{$x := .ID}}", "{{$x := .ID}} cannot stand here; allowed: {{.ID}}, {{.Pad n}}"},
		{"number", "{{12}}", "{{12}} cannot stand here; allowed: {{.ID}}, {{.Pad n}}"},
		{"definition", `{{define "x"}}a{{end}}`, "a template cannot define others"},
		{"argument", "{{.ID 3}}", "{{.ID 3}}: the field takes nothing after its name"},
		{"no length", "{{.Pad}}", "{{.Pad}}: the field takes one number of bytes, 0 to 16777216"},
		{"negative length", "{{.Pad -1}}", "{{.Pad -1}}: the field takes one number of bytes, 0 to 16777216"},
		{"huge length", "{{.Pad 16777217}}", "{{.Pad 16777217}}: the field takes one number of bytes, 0 to 16777216"},
		{"long together", "{{.Pad 9000000}}{{.Pad 9000000}}", "the text comes to more than 16777216 bytes"},
		{"unclosed", "{{.ID", "unclosed action"},
		{"long", strings.Repeat("x", MaxMessage+1), "the text has 16777217 bytes, more than 16777216"},
	} {
		_, err := Compile(tt.text, FieldID, FieldPad)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := Compile("{{.ID}}"); err == nil || err.Error() != "{{.ID}} cannot stand here; allowed: none" {
		t.Errorf("without fields: got %v", err)
	}
}

func TestUses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text     string
		constant bool
		uses     []Field
	}{
		{"", true, nil},
		{"abc", true, nil},
		{"{{.Pad 9}}", true, []Field{FieldPad}},
		{"{{.ID}}{{.Pad 9}}", false, []Field{FieldID, FieldPad}},
		{"{{.Raw}} {{.Seq}}", false, []Field{FieldRaw, FieldSeq}},
	} {
		tmpl, err := Compile(tt.text, everyField...)
		if err != nil {
			t.Fatal(err)
		}
		if tmpl.Constant() != tt.constant {
			t.Errorf("%q: Constant: got %v, want %v", tt.text, tmpl.Constant(), tt.constant)
		}
		want := fieldsOf(tt.uses)
		for _, f := range everyField {
			if tmpl.Uses(f) != want.has(f) {
				t.Errorf("%q: Uses(%v): got %v, want %v", tt.text, f, tmpl.Uses(f), want.has(f))
			}
		}
	}
}

func TestURLValuesAreEncoded(t *testing.T) {
	t.Parallel()
	tmpl, err := CompileURL("ws://h/{{.User}}?t={{.Token}}&a=b c", FieldUser, FieldToken)
	if err != nil {
		t.Fatal(err)
	}
	got := string(tmpl.Append(nil, &Values{User: "a/é", Token: "x+y&z=1~"}))
	if want := "ws://h/a%2F%C3%A9?t=x%2By%26z%3D1~&a=b c"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		"", "plain", "{{.ID}}", "{{ .User -}} x", "{{.Pad 12}}", "{{.Pad 0x10}}", "{{/* c */}}", `{{"{{"}}`, "{{.Message}}",
		"{{.Raw}}", "{{if .ID}}{{end}}", "{{", "}}", "{{.ID}}{{.Seq}}{{.Mark}}{{.Token}}", `{"a":"{{.Mark}}"}`, "{{.Pad 'a'}}",
		"{{range .ID}}{{break}}{{end}}", `{{define "a"}}{{end}}`, "{{with $x := 1}}{{end}}", "{{(.ID).User}}", "{{nil}}",
	} {
		f.Add(seed, "user", []byte("message"))
	}
	f.Fuzz(func(t *testing.T, text, user string, message []byte) {
		tmpl, err := Compile(text, everyField...)
		if err != nil {
			if tmpl != nil || err.Error() == "" {
				t.Fatalf("got a template or no reason beside an error: %v", err)
			}
			return
		}
		v := Values{ID: 1, Seq: 2, User: user, Token: user, Mark: message, Message: message}
		one := tmpl.Append(nil, &v)
		if two := tmpl.Append(one[:len(one):len(one)], &v); string(two) != string(one)+string(one) {
			t.Fatalf("the second text differs from the first: %q, %q", one, two)
		}
		if other := tmpl.Append(nil, &Values{}); tmpl.Constant() && string(other) != string(one) {
			t.Fatalf("constant, but %q became %q", one, other)
		}
		if !strings.Contains(text, "{{") && string(one) != text {
			t.Fatalf("got %q, want the text itself, %q", one, text)
		}
		literal, err := Compile("{{.Message}}", FieldMessage)
		if err != nil {
			t.Fatal(err)
		}
		var back string
		if err := json.Unmarshal(literal.Append(nil, &v), &back); err != nil {
			t.Fatalf("the message is no JSON string: %v", err)
		}
		if want := strings.ToValidUTF8(string(message), "\uFFFD"); strings.ReplaceAll(back, "\uFFFD", "") != strings.ReplaceAll(want, "\uFFFD", "") {
			t.Fatalf("the message came back as %q, want %q", back, want)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	message := []byte(`{"type":"BIZ","code":"BENCH","data":"0123456789"}`)
	for _, bb := range []struct{ name, text string }{
		{"constant", `{"type":"HEARTBEAT"}`},
		{"mark", `{"type":"BIZ","data":"{{.Mark}}"}`},
		{"numbers", `{{.ID}} {{.Seq}}`},
		{"message", `{"message":{{.Message}}}`},
		{"1KiB", `{{.Mark}}{{.Pad 1024}}`},
	} {
		tmpl, err := Compile(bb.text, everyField...)
		if err != nil {
			b.Fatal(err)
		}
		v := Values{ID: 123456, Seq: 1 << 40, Mark: []byte("0123456789abcdef"), Message: message}
		dst := make([]byte, 0, 4096)
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				dst = tmpl.Append(dst[:0], &v)
			}
			b.SetBytes(int64(len(dst)))
		})
	}
}
