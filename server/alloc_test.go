//go:build !race

package server

import (
	"bytes"
	"io"
	"testing"
	"time"

	"carillon/codec"
	"carillon/netpoll"
)

// TestAllocUserLookup: finding the session of a user allocates nothing.
func TestAllocUserLookup(t *testing.T) {
	x := newUserIndex()
	x.add(&session{user: "ann", handle: 1})
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
	id := ids.of(netpoll.Handle(42)).String()
	if n := testing.AllocsPerRun(1000, func() { ids.parse(id) }); n != 0 {
		t.Errorf("%v allocations to read an id", n)
	}
	if n := testing.AllocsPerRun(1000, func() { _ = ids.of(42).String() }); n > 1 {
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

// TestAllocHeartbeat is whole round trips over a real socket, the client's side
// and everything that the process does meanwhile included.
func TestAllocHeartbeat(t *testing.T) {
	r := start(t, nil)
	c := dialRaw(t, r)
	c.upgrade("ann")
	c.heartbeat()
	beat := appendMasked(nil, headText, []byte(heartbeatRequest))
	want := serverText(heartbeatAck)
	got := make([]byte, len(want))
	if n := testing.AllocsPerRun(5000, func() {
		if _, err := c.Write(beat); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c.br, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("got %q, %v", got, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a heartbeat, want 0", n)
	}
}

// TestAllocPush is a push to a user with one session, from the call to the
// client: it costs what its frame does and nothing else. A broadcast likewise.
func TestAllocPush(t *testing.T) {
	r := start(t, nil)
	c := dialRaw(t, r)
	c.upgrade("ann")
	c.heartbeat()
	text := bytes.Repeat([]byte("x"), 100)
	want := serverText(string(text))
	got := make([]byte, len(want))
	var kept *codec.Frame
	frame := testing.AllocsPerRun(1000, func() { kept = codec.NewText(text) })
	_ = kept
	for name, push := range map[string]func() error{
		"user":      func() error { _, err := r.PushUser("ann", text); return err },
		"broadcast": func() error { return r.Broadcast(text) },
	} {
		if n := testing.AllocsPerRun(5000, func() {
			if err := push(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c.br, got); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("got %q, %v", got, err)
			}
		}); n > frame {
			t.Errorf("%s: %v allocations for a push, want the %v of its frame", name, n, frame)
		}
	}
}

// serverText is a server's frame of a short text.
func serverText(s string) []byte { return append([]byte{headText, byte(len(s))}, s...) }
