package netpoll

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"carillon/codec"
)

// meddling is a Handler that, when a connection ends, writes to some of the
// others and closes one.
type meddling struct {
	silent
	rnd    *rand.Rand
	all    *[]*modelClient
	serial *int
}

func (h meddling) Closed(ended *Conn, _ Cause) {
	for i := range 30 {
		m := (*h.all)[h.rnd.IntN(len(*h.all))]
		if m.c == ended || m.kicked {
			continue
		}
		if i > 0 {
			*h.serial++
			f := codec.NewTextString(fmt.Sprint("meddled ", *h.serial))
			m.expect(f)
			if *h.serial%3 == 0 {
				m.c.Send(f)
			} else {
				m.c.SendMessage(ws.OpText, f.Payload(), 0)
			}
		} else if h.rnd.IntN(2) == 0 {
			m.kicked = true
			m.c.Close(codec.CloseNormal, "", CauseHandler)
		}
	}
}

// TestClosedMeddles breaks connections under sweeps that fill the sockets of
// others, with a handler that meddles with those in the middle of the batch:
// what they get must be whole and in order all the same.
func TestClosedMeddles(t *testing.T) {
	t.Parallel()
	onBothPaths(t, func(t *testing.T, mode UringMode) {
		for seed := range uint64(6) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) { closedMeddles(t, mode, seed) })
		}
	})
}

func closedMeddles(t *testing.T, mode UringMode, seed uint64) {
	s := newTestShard(t, Options{MaxOutbound: 1 << 20, CloseTimeout: time.Hour, Uring: mode})
	rnd := rand.New(rand.NewPCG(seed, 5))
	var all []*modelClient
	serial := 0
	s.r.handler = meddling{rnd: rnd, all: &all, serial: &serial}
	add := func() *modelClient {
		m := s.addModelClient(t, rnd, rnd.IntN(4) == 0)
		m.c.flags |= flagOpened
		all = append(all, m)
		return m
	}
	for range 40 {
		add()
	}
	broken := make(map[*modelClient]bool)
	work := func() {
		for s.depth.Load() > 0 || s.lap.active {
			s.slice(opSends, 1+rnd.IntN(40))
		}
	}
	for range 120 {
		add()
		if m := all[rnd.IntN(len(all))]; rnd.IntN(2) == 0 && !m.kicked && !broken[m] {
			// Nobody reads from this one any more.
			if err := unix.Shutdown(m.fd, unix.SHUT_RD); err != nil {
				t.Fatal(err)
			}
			broken[m] = true
		}
		serial++
		f := codec.NewTextString(fmt.Sprint(serial, " ", strings.Repeat("b", rnd.IntN(9000))))
		if rnd.IntN(2) == 0 {
			f.Compress(1, 0)
		}
		for _, o := range []op{{kind: opCall, call: func(*Shard) {
			for _, m := range all {
				m.expect(f)
			}
		}}, {kind: opBroadcast, frame: f}} {
			if err := s.push(o); err != nil {
				t.Fatal(err)
			}
		}
		work()
		for _, m := range all {
			if rnd.IntN(3) == 0 {
				m.read(rnd.IntN(16 << 10))
			}
		}
	}
	// Everybody reads to the end now.
	behind := func() bool {
		for _, c := range s.conns {
			if c != nil && (c.out != nil || c.state == stateOpen && s.pending(c) > 0) {
				return true
			}
		}
		return false
	}
	for deadline := time.Now().Add(testPatience); behind(); {
		if time.Now().After(deadline) {
			t.Fatal("the shard does not settle")
		}
		for _, m := range all {
			m.read(1 << 20)
		}
		s.slice(opSends, sweepSends)
		work()
	}
	if len(s.blocked) > 0 {
		t.Errorf("%d connections are listed as blocked, and nothing waits", len(s.blocked))
	}
	for i, m := range all {
		if broken[m] {
			continue
		}
		m.read(1 << 20)
		what := fmt.Sprintf("client %d, deflate %v", i, m.c.Deflate())
		if code := m.check(t, what); (code == codec.CloseNormal) != m.kicked || code != 0 && !m.kicked {
			t.Errorf("%s: close code %d, closed by the handler: %v", what, code, m.kicked)
		}
	}
	// Some of the broken ones were closed by the handler meanwhile.
	if s.count.blocked == 0 || s.count.closed[CauseTransport] < uint64(len(broken)/2) {
		t.Errorf("%d times blocked, %d of %d broken connections noticed: the test tests nothing", s.count.blocked, s.count.closed[CauseTransport], len(broken))
	}
}
