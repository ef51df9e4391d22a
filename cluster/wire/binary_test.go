package wire_test

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"carillon/cluster"
	"carillon/cluster/wire"
)

func asBinary(m *wire.Message) []byte {
	rest, at, payload := wire.AppendBinaryRest(wire.AppendBinarySender(nil, m.From), &m.Op)
	return slices.Insert(rest, at, []byte(payload)...)
}

// samples has a message of every kind.
func samples() map[string]wire.Message {
	return map[string]wire.Message{
		"push all":          {From: "node-a", Op: everyone("héllo 😀")},
		"push all, empty":   {Op: everyone("")},
		"push users":        {From: "a", Op: users("m", "x", "", "漢")},
		"push nobody":       {From: "a", Op: users("m", []string{}...)},
		"push sessions":     {From: "a", Op: cluster.Operation{Kind: cluster.PushSessions, Payload: strings.Repeat("p", 70000), Sessions: []string{"deadbeef-0102-8304-8506-0708090a0b0c"}}},
		"kick users":        {From: "a", Op: cluster.Operation{Kind: cluster.KickUsers, Users: []string{"x"}, Code: 4999, Reason: "bye"}},
		"kick sessions":     {From: "a", Op: cluster.Operation{Kind: cluster.KickSessions, Sessions: []string{"s", "t"}, Code: math.MaxUint16}},
		"kick all":          {From: "a", Op: cluster.Operation{Kind: cluster.KickAll, Reason: strings.Repeat("r", 123), Spread: time.Minute}},
		"kick all, longest": {From: "a", Op: cluster.Operation{Kind: cluster.KickAll, Spread: math.MaxInt64}},
	}
}

func TestBinaryRoundTrip(t *testing.T) {
	for name, m := range samples() {
		t.Run(name, func(t *testing.T) {
			got, err := wire.Decode(asBinary(&m))
			if err != nil || !reflect.DeepEqual(got, m) {
				t.Errorf("got %+v, %v, want %+v", got, err, m)
			}
		})
	}
}

func TestBinaryKeepsToItself(t *testing.T) {
	m := samples()["push users"]
	body := asBinary(&m)
	got, err := wire.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	clear(body)
	if !reflect.DeepEqual(got, m) {
		t.Errorf("changed with the bytes it was read from: %+v", got)
	}
}

// Each field is told from the others, and what does not belong to a kind is not sent.
func TestBinarySendsWhatTheKindHas(t *testing.T) {
	full := cluster.Operation{Payload: "p", Users: []string{"u"}, Sessions: []string{"s"}, Code: 4000, Reason: "r", Spread: time.Second}
	for kind, want := range map[cluster.Kind]cluster.Operation{
		cluster.PushAll:      {Payload: "p"},
		cluster.PushUsers:    {Payload: "p", Users: []string{"u"}},
		cluster.PushSessions: {Payload: "p", Sessions: []string{"s"}},
		cluster.KickUsers:    {Users: []string{"u"}, Code: 4000, Reason: "r"},
		cluster.KickSessions: {Sessions: []string{"s"}, Code: 4000, Reason: "r"},
		cluster.KickAll:      {Code: 4000, Reason: "r", Spread: time.Second},
	} {
		op := full
		op.Kind, want.Kind = kind, kind
		got, err := wire.Decode(asBinary(&wire.Message{From: "a", Op: op}))
		if err != nil || !reflect.DeepEqual(got.Op, want) {
			t.Errorf("kind %d: got %+v, %v", kind, got.Op, err)
		}
	}
}

func TestBinaryReplacesWhatIsNotUTF8(t *testing.T) {
	got, err := wire.Decode(asBinary(&wire.Message{From: "a\xff", Op: users("m\xed", "u\xc3", "v")}))
	want := wire.Message{From: "a\ufffd", Op: users("m\ufffd", "u\ufffd", "v")}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestBinaryIsStrict(t *testing.T) {
	for name, m := range samples() {
		body := asBinary(&m)
		for i := range min(len(body), 200) {
			if got, err := wire.Decode(body[:i]); err == nil {
				t.Errorf("%s: the first %d of %d bytes are taken for %+v", name, i, len(body), got)
			}
		}
		if _, err := wire.Decode(append(body, 0)); err == nil {
			t.Errorf("%s: a byte after the end is taken", name)
		}
	}
	for name, body := range map[string]string{
		"unknown version":         "\xc1\x02\x00\x01\x00",
		"unknown kind":            "\xc1\x01\x00\x63\x00",
		"kind 0":                  "\xc1\x01\x00\x00",
		"payload not UTF-8":       "\xc1\x01\x00\x01\x01\xff",
		"length of 2^63":          "\xc1\x01\x00\x01\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
		"length beyond 64 bits":   "\xc1\x01\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
		"length without an end":   "\xc1\x01\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		"code of 17 bits":         "\xc1\x01\x00\x04\x80\x80\x04\x00\x00",
		"spread of 64 bits":       "\xc1\x01\x00\x06\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"reason of 124 bytes":     "\xc1\x01\x00\x06\x00\x7c" + strings.Repeat("r", 124) + "\x00",
		"list longer than it can": "\xc1\x01\x00\x02\x00\xff\xff\xff\xff\x0f",
	} {
		if got, err := wire.Decode([]byte(body)); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// A node of the reference takes it for bad JSON, whatever it is told about the content.
func TestBinaryIsNoJSON(t *testing.T) {
	for name, m := range samples() {
		body := asBinary(&m)
		if json.Valid(body) || body[0] != 0xC1 {
			t.Errorf("%s begins with %x", name, body[:4])
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	m := wire.Message{From: "node-a", Op: users(strings.Repeat("p", 1024), "10001", "10002")}
	buf := make([]byte, 0, 4096)
	b.Run("json/1KiB", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = wire.AppendJSONRest(wire.AppendJSONSender(buf[:0], m.From), &m.Op)
		}
	})
	b.Run("binary/1KiB", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf, _, _ = wire.AppendBinaryRest(wire.AppendBinarySender(buf[:0], m.From), &m.Op)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	m := wire.Message{From: "node-a", Op: users(strings.Repeat("p", 1024), "10001", "10002")}
	for name, body := range map[string][]byte{"json/1KiB": []byte(asJSON(m.From, &m.Op)), "binary/1KiB": asBinary(&m)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := wire.Decode(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
