package netpoll

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"carillon/codec"
)

// lastWords is a Handler that writes to one connection when another ends.
type lastWords struct {
	silent
	to   *modelClient
	size int // of the frame; 0: as much as may wait for the connection
}

func (h *lastWords) Closed(c *Conn, _ Cause) {
	if c == h.to.c {
		return
	}
	size := h.size
	if s := c.shard; size == 0 {
		size = s.opt.MaxOutbound - s.pending(h.to.c)
	}
	f := codec.NewTextString(strings.Repeat("w", size-4))
	h.to.expect(f)
	h.to.c.Send(f)
}

// TestEvictedWritesToAnother has a slow consumer evicted, and its handler write so
// much to another connection that it is behind, too: what that one has not read of
// the log is kept for it, or it is closed.
func TestEvictedWritesToAnother(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reads int // broadcasts that the other reads, until it is written to
		size  int
	}{{1000, 18_000}, {1000, 24_000}, {1000, 32_000}, {30, 0}, {30, 18_000}} {
		t.Run(fmt.Sprint(tc.reads, " ", tc.size), func(t *testing.T) {
			t.Parallel()
			s := newTestShard(t, Options{MaxOutbound: 64 << 10, CloseTimeout: time.Hour, Uring: UringOff})
			deaf := s.addModelClient(t, rand.New(rand.NewPCG(1, 1)), false)
			slow := s.addModelClient(t, rand.New(rand.NewPCG(2, 2)), false)
			for _, m := range []*modelClient{deaf, slow} {
				if err := unix.SetsockoptInt(int(s.hot[m.c.slot].fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 8<<10); err != nil {
					t.Fatal(err)
				}
				m.c.flags |= flagOpened
			}
			s.r.handler = &lastWords{to: slow, size: tc.size}
			serial := 0
			broadcast := func() {
				serial++
				f := codec.NewTextString(fmt.Sprintf("%06d", serial) + strings.Repeat(fmt.Sprint(serial%10), 1000))
				if err := s.push(op{kind: opBroadcast, frame: f}); err != nil {
					t.Fatal(err)
				}
				for s.depth.Load() > 0 || s.lap.active {
					s.run()
				}
				slow.expect(f) // behind the last words: those are from before it was taken
				if c := slow.c; c.state == stateOpen && s.pending(c) > s.opt.MaxOutbound {
					t.Fatalf("%d bytes are held for one connection, bound %d", s.pending(c), s.opt.MaxOutbound)
				}
			}
			for deaf.c.state == stateOpen {
				broadcast()
				if serial < tc.reads {
					slow.read(1 << 16)
				}
			}
			if slow.c.out.front() == nil {
				t.Fatal("the other is not behind: the test tests nothing")
			}
			for range 200 {
				broadcast()
			}
			deadline := time.Now().Add(testPatience)
			for !slow.eof && (slow.c.state != stateOpen || s.pending(slow.c) > 0) {
				if time.Now().After(deadline) {
					t.Fatal("the rest does not come")
				}
				slow.read(1 << 16)
				s.run()
			}
			slow.read(1 << 20)
			if code := slow.check(t, "the other"); code != 0 && code != codec.CloseTryAgainLater {
				t.Errorf("close code %d, want 1013 or none", code)
			}
		})
	}
}
