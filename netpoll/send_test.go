package netpoll

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

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
