package netpoll

import (
	"testing"
	"time"

	"carillon/codec"
)

// TestUnreadBytesAreLife judges two connections whose silence is as long as the
// timeout: the one whose bytes wait in the kernel stays, the other is closed.
func TestUnreadBytesAreLife(t *testing.T) {
	h := newTestHandler()
	r := startReactor(t, Options{Loops: 1}, h)
	silent := dial(t, r)
	waitFor(t, "the first connection", func() bool { return len(h.all()) == 1 })
	first := h.all()[0]
	sends := dial(t, r)
	waitFor(t, "the second connection", func() bool { return len(h.all()) == 2 })
	both := h.all()
	second := both[0]
	if second == first {
		second = both[1]
	}

	s := (*r.shards.Load())[0]
	onLoop := make(chan struct{})
	sent := make(chan struct{})
	judged := make(chan [2]connState, 1)
	err := s.push(op{kind: opCall, call: func(s *Shard) {
		close(onLoop)
		<-sent
		live, dead := s.find(second), s.find(first)
		for deadline := time.Now().Add(testPatience); !s.unread(live) && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		for _, c := range []*Conn{live, dead} {
			c.seen = s.now - s.heartbeatTicks
			s.judgeOpen(c)
		}
		judged <- [2]connState{live.state, dead.state}
	}})
	if err != nil {
		t.Fatal(err)
	}
	<-onLoop
	send(t, sends, codec.HeartbeatRequest)
	close(sent)
	if got := <-judged; got[0] != stateOpen || got[1] == stateOpen {
		t.Errorf("states %v, want the one with unread bytes open, the other closing", got)
	}
	expect(t, sends, `{"type":"HEARTBEAT_ACK"}`)
	expectClose(t, silent, 4500, "heartbeat timeout")
}
