//go:build !race

package server

import (
	"testing"
	"time"

	"carillon/codec"
	"carillon/netpoll"
)

// TestAllocUserLookup: finding the session of a user allocates nothing.
func TestAllocUserLookup(t *testing.T) {
	x := newUserIndex()
	x.add("ann", 1)
	if n := testing.AllocsPerRun(1000, func() {
		if h, n := x.single("ann"); h != 1 || n != 1 {
			t.Fatal("not found")
		}
	}); n != 0 {
		t.Errorf("%v allocations for a lookup", n)
	}
}

// TestAllocSessionID: reading an id allocates nothing, making one only its text.
func TestAllocSessionID(t *testing.T) {
	ids := newSessionIDs("node", time.Unix(1, 0))
	id := ids.of(netpoll.Handle(42))
	if n := testing.AllocsPerRun(1000, func() { ids.parse(id) }); n != 0 {
		t.Errorf("%v allocations to read an id", n)
	}
	if n := testing.AllocsPerRun(1000, func() { _ = ids.of(42) }); n > 1 {
		t.Errorf("%v allocations to make an id", n)
	}
}

// TestAllocEnvelope: looking at a message and finding its handler allocates
// nothing.
func TestAllocEnvelope(t *testing.T) {
	s := &Server{handlers: map[string]*handler{CodeChatSend: {code: CodeChatSend}}}
	msg := []byte(`{"type":"BIZ","code":"CHAT_SEND","data":{"toUserId":"bob","content":"hi"}}`)
	if n := testing.AllocsPerRun(1000, func() {
		var e codec.Envelope
		if err := codec.ParseEnvelope(msg, &e); err != nil || s.handlers[string(e.Code)] == nil {
			t.Fatal("not found")
		}
	}); n != 0 {
		t.Errorf("%v allocations for a message", n)
	}
}
