package netpoll

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/gobwas/ws"

	"carillon/codec"
)

// TestQueueThatNeverEmpties has a client read as fast as it is sent to, and always
// behind: its queue is as long as what waits, however much went through it.
func TestQueueThatNeverEmpties(t *testing.T) {
	t.Parallel()
	const behind, steps, atOnce = 200, 10_000, 10
	s := newTestShard(t, Options{})
	m := s.addModelClient(t, rand.New(rand.NewPCG(1, 1)), false)
	serial := 0
	send := func(n int) {
		for range n {
			serial++
			f := codec.NewTextString(fmt.Sprintf("%06d", serial) + strings.Repeat("x", 200))
			m.expect(f)
			if err := s.push(op{kind: opSend, h: m.h, frame: f}); err != nil {
				t.Fatal(err)
			}
		}
		s.run()
		s.resume(m.h)
	}
	send(behind)
	longest := 0
	for range steps {
		send(atOnce)
		if m.c.out.front() == nil {
			t.Fatal("the queue is empty: the test tests nothing")
		}
		longest = max(longest, cap(m.c.out.items))
		m.read(atOnce * len(m.frames[0]))
		for len(m.frames) > 0 && len(m.got) >= len(m.frames[0]) {
			if got, want := string(m.got[:len(m.frames[0])]), string(m.frames[0]); got != want {
				t.Fatalf("got %.12q, want %.12q", got, want)
			}
			m.got, m.frames = m.got[len(m.frames[0]):], m.frames[1:]
		}
	}
	if most := 4 * (behind + atOnce); longest > most {
		t.Errorf("the queue had room for %d frames with %d waiting, want at most %d", longest, behind, most)
	}
}

// TestPongsThatWait has a client ping, each time in a segment of its own, and read
// nothing: what waits for it has the length of the pongs, little more, and is
// closed at the bound. Once it reads, it gets them all up to there.
func TestPongsThatWait(t *testing.T) {
	t.Parallel()
	const bound = 64 << 10
	s := newTestShard(t, Options{MaxOutbound: bound, CloseTimeout: time.Hour})
	m := s.addModelClient(t, rand.New(rand.NewPCG(1, 1)), false)
	most := 0
	for n := 0; m.c.state == stateOpen; n++ {
		payload := ""
		if n%100 == 0 {
			payload = fmt.Sprint(n)
		}
		m.frames = append(m.frames, codec.AppendFrame(nil, ws.OpPong, []byte(payload)))
		ping := []byte(clientFrame(ws.OpPing, true, payload))
		if used := s.feed(m.c, ping); used != len(ping) {
			t.Fatalf("took %d bytes of %d", used, len(ping))
		}
		if n%5000 == 0 { // which are between the pongs
			f := codec.NewText([]byte("on"))
			m.expect(f)
			if err := s.push(op{kind: opBroadcast, frame: f}); err != nil {
				t.Fatal(err)
			}
			s.run()
		}
		if q := m.c.out; q != nil {
			most = max(most, q.bytes)
			held := cap(q.items) * int(unsafe.Sizeof(outItem{}))
			for _, it := range q.items {
				held += cap(it.b)
			}
			if held > 2*q.bytes+2*copySize {
				t.Fatalf("%d bytes are held for %d bytes of pongs", held, q.bytes)
			}
		}
	}
	if most < bound-200 {
		t.Errorf("closed with %d bytes that waited, bound %d", most, bound)
	}
	for deadline := time.Now().Add(testPatience); !m.eof; {
		if time.Now().After(deadline) {
			t.Fatal("the connection is not shut")
		}
		m.read(1 << 16)
		s.run()
	}
	if code := m.check(t, "client"); code != codec.CloseTryAgainLater {
		t.Errorf("close code %d, want 1013", code)
	}
	if s.outBytes != 0 {
		t.Errorf("%d bytes are counted as queued, want 0", s.outBytes)
	}
}

// closingAnother is a Handler that answers each message, and closes another
// connection, whose end it can not bear, between two answers.
type closingAnother struct {
	silent
	other *modelClient
}

func (h closingAnother) Message(c *Conn, op ws.OpCode, payload []byte) {
	c.SendMessage(op, payload, 0)
	h.other.c.Close(codec.CloseNormal, "", CauseHandler)
	c.SendMessage(op, payload, 0)
}

func (closingAnother) Closed(*Conn, Cause) { panic("a handler's fault") }

// TestRepliesBesidePanic has the end of one connection panic while another's
// messages are answered: none of the answers is lost.
func TestRepliesBesidePanic(t *testing.T) {
	t.Parallel()
	s := newTestShard(t, Options{CloseTimeout: time.Hour})
	rnd := rand.New(rand.NewPCG(1, 1))
	m, other := s.addModelClient(t, rnd, false), s.addModelClient(t, rnd, false)
	other.c.flags |= flagOpened
	s.r.handler = closingAnother{other: other}
	in := []byte(clientFrame(ws.OpPing, true, "p") + text("a") + text("b"))
	if used := s.feed(m.c, in); used != len(in) {
		t.Fatalf("took %d bytes of %d", used, len(in))
	}
	m.frames = append(m.frames, codec.AppendFrame(nil, ws.OpPong, []byte("p")))
	for _, payload := range []string{"a", "a", "b", "b"} {
		m.expect(codec.NewTextString(payload))
	}
	m.read(1 << 16)
	if m.check(t, "client"); s.corked != nil || len(s.cork) > 0 {
		t.Errorf("%d bytes are still gathered", len(s.cork))
	}
	other.read(1 << 16)
	if code := other.check(t, "the other"); code != codec.CloseNormal {
		t.Errorf("close code %d, want 1000", code)
	}
}
