package clustertest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"carillon/cluster"
)

// push returns a PushAll with this text.
func push(payload string) *cluster.Operation {
	return &cluster.Operation{Kind: cluster.PushAll, Payload: payload}
}

// brief is an operation for a message.
func brief(op *cluster.Operation) string {
	return fmt.Sprintf("{kind %d, payload of %d bytes %.60q, users %d %.100q, sessions %d %.100q, code %d, reason %q, spread %v}",
		op.Kind, len(op.Payload), op.Payload, len(op.Users), op.Users, len(op.Sessions), op.Sessions, op.Code, op.Reason, op.Spread)
}

// same tells whether two operations do the same.
func same(a, b *cluster.Operation) bool {
	code := func(op *cluster.Operation) uint16 {
		if op.Code == 0 {
			return 1000
		}
		return op.Code
	}
	return a.Kind == b.Kind && a.Payload == b.Payload && a.Reason == b.Reason && a.Spread == b.Spread && code(a) == code(b) &&
		slices.Equal(a.Users, b.Users) && slices.Equal(a.Sessions, b.Sessions)
}

// are returns nil when what was taken is this, in this order, from this node.
func are(taken []received, from string, want []*cluster.Operation) error {
	for i, r := range taken {
		switch {
		case i >= len(want):
			return fmt.Errorf("got %d operations, want %d; the first too many is %s", len(taken), len(want), brief(&r.op))
		case r.from != from:
			return fmt.Errorf("operation %d: got it from %q, want %q", i, r.from, from)
		case !same(&r.op, want[i]):
			return fmt.Errorf("operation %d: got %s, want %s", i, brief(&r.op), brief(want[i]))
		}
	}
	if len(taken) < len(want) {
		return fmt.Errorf("got %d operations, want %d; the first missing is %s", len(taken), len(want), brief(want[len(taken)]))
	}
	return nil
}

// texts are payloads that an encoding could trip over.
var texts = []string{
	"", " ", "hello", "null", "5", `{"type":"BIZ","code":"X","data":{"a":[1,2.50,"b"]}}`, `"quoted"`, `back\slash`, `\u0000`, "\x00", "a\x00b", "\x01\x02\x1f\x7f",
	"line\nline\r\n\ttab", "héllo", "he\u0301llo", "用户 消息", "😀👩‍👩‍👧‍👦", "\u2028\u2029", "\ufeffmark", "\ufffd", "\u202eright to left", "<script>&amp;'",
}

// operations are of every kind, with every field that the kind has.
func operations() []*cluster.Operation {
	const id = "deadbeef-0102-4304-8506-0708090a0b0c"
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprint("user-", i)
	}
	var all []*cluster.Operation
	for _, text := range texts {
		all = append(all,
			push(text),
			&cluster.Operation{Kind: cluster.PushUsers, Payload: text, Users: []string{"10001", "u-" + text}},
			&cluster.Operation{Kind: cluster.PushSessions, Payload: text, Sessions: []string{id}})
	}
	return append(all,
		&cluster.Operation{Kind: cluster.PushUsers, Payload: "odd users", Users: oddUsers},
		&cluster.Operation{Kind: cluster.PushUsers, Payload: "many users", Users: many},
		&cluster.Operation{Kind: cluster.PushSessions, Payload: "some sessions", Sessions: []string{id, "deadbeef-0102-4304-8506-0708090a0b0d", "odd: \x00 é"}},
		&cluster.Operation{Kind: cluster.KickUsers, Users: []string{"a"}},
		&cluster.Operation{Kind: cluster.KickUsers, Users: oddUsers, Code: 4001, Reason: "signed in elsewhere"},
		&cluster.Operation{Kind: cluster.KickUsers, Users: many, Code: 4999, Reason: strings.Repeat("é", 61)},
		&cluster.Operation{Kind: cluster.KickSessions, Sessions: []string{id}},
		&cluster.Operation{Kind: cluster.KickSessions, Sessions: []string{id, id}, Code: 1000, Reason: "\x00 \" \\ \u2028 😀"},
		&cluster.Operation{Kind: cluster.KickAll},
		&cluster.Operation{Kind: cluster.KickAll, Code: 1012, Reason: "service restart", Spread: 90 * time.Second},
		&cluster.Operation{Kind: cluster.KickAll, Code: 1001, Spread: 1500 * time.Millisecond},
		&cluster.Operation{Kind: cluster.KickAll, Code: 4000, Spread: 24 * time.Hour},
	)
}

// broadcasts tells whether Bus.Broadcast carries an operation.
func broadcasts(op *cluster.Operation) bool {
	return op.Kind == cluster.PushAll || op.Kind == cluster.PushUsers
}
