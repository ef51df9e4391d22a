package netpoll

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"carillon/codec"
)

// entrance returns what admits connections whose clients have gone, one at a time.
func entrance(t *testing.T, s *Shard) (enter func() *Conn) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(pair[1]) })
	unix.Close(pair[0])
	return func() *Conn {
		fd, err := unix.Dup(pair[1])
		if err != nil {
			t.Fatal(err)
		}
		gc := &fakeConn{fd: fd}
		gc.c = s.admit(gc)
		return gc.c
	}
}

// TestTrimSlots: after a storm the arrays shrink to what the connections that
// stayed need; those go on as before, and no handle of the storm names a
// connection that comes later.
func TestTrimSlots(t *testing.T) {
	t.Parallel()
	const storm = 4 * trimSlots
	for _, c := range []struct {
		name string
		stay []int // slots
		want int   // slots afterwards
	}{
		{"nobody stays", nil, 0},
		{"some stay below", []int{0, 7, 900}, 901},
		{"one stays above", []int{5, storm - 1}, storm},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newTestShard(t, Options{})
			enter := entrance(t, s)
			var gone, stayed []*Conn
			var old []Handle
			for slot := range storm {
				conn := enter()
				if slices.Contains(c.stay, slot) {
					stayed = append(stayed, conn)
				} else {
					gone, old = append(gone, conn), append(old, conn.Handle())
				}
			}
			rand.Shuffle(len(gone), func(i, j int) { gone[i], gone[j] = gone[j], gone[i] })
			for _, conn := range gone {
				s.doom(conn)
			}
			s.reap()
			s.trim()
			if len(s.conns) != c.want || len(s.gens) != c.want || len(s.hot) != c.want || len(s.wheel.links) != c.want || len(s.wheel.at) != c.want {
				t.Fatalf("%d slots, %d generations, %d hot, %d and %d in the wheel, want %d of each",
					len(s.conns), len(s.gens), len(s.hot), len(s.wheel.links), len(s.wheel.at), c.want)
			}
			if max := max(2*c.want, 16); cap(s.conns) > max || cap(s.hot) > max {
				t.Errorf("room for %d and %d slots is kept, want at most %d", cap(s.conns), cap(s.hot), max)
			}
			for _, conn := range stayed {
				if s.find(conn.Handle()) != conn {
					t.Errorf("the connection in slot %d is not found", conn.slot)
				}
			}
			seen := make(map[uint32]bool)
			for _, conn := range stayed {
				seen[conn.slot] = true
			}
			for range storm - len(stayed) {
				conn := enter()
				if seen[conn.slot] {
					t.Fatalf("slot %d has two connections", conn.slot)
				}
				seen[conn.slot] = true
			}
			for _, h := range old {
				if conn := s.find(h); conn != nil {
					t.Fatalf("handle %v of a connection that is gone names a new one", h)
				}
			}
			due := 0
			s.wheel.advance(s.real+s.handshakeTicks+1, func(uint32) { due++ })
			if due != storm {
				t.Errorf("%d deadlines came up, want %d", due, storm)
			}
		})
	}
}

// TestTrimLogs: the ring that a burst of broadcasts needed goes when everybody has
// read it and a tick has passed, not before, and the next broadcast arrives.
func TestTrimLogs(t *testing.T) {
	t.Parallel()
	s := newTestShard(t, Options{})
	m := s.addModelClient(t, rand.New(rand.NewPCG(3, 3)), false)
	out := make([]byte, 1<<20)
	broadcast := func(n, bytes int) {
		t.Helper()
		f := codec.NewTextString(strings.Repeat("x", bytes))
		for range n {
			if !s.appendLog(f) {
				t.Fatal("the log takes no more")
			}
		}
		if n > 1 {
			if s.trim(); len(s.logs[logPlain].buf) <= logStart {
				t.Fatal("the ring is gone before it was read")
			}
		}
		for got := 0; got < n*len(f.Plain()); {
			s.run()
			n, err := unix.Read(m.fd, out)
			if n < 0 && err != unix.EAGAIN {
				t.Fatal(err)
			}
			got += max(n, 0)
			for range len(s.blocked) {
				s.resume(m.h)
			}
		}
	}
	broadcast(8, logStart)
	s.trim()
	s.trim()
	if n := len(s.logs[logPlain].buf); n != 0 {
		t.Errorf("%d bytes of the ring are kept", n)
	}
	broadcast(1, 100)
}

// TestTrimBesideLost: connections whose clients are gone are closed by something
// else before their turn comes, and their slots are taken away.
func TestTrimBesideLost(t *testing.T) {
	t.Parallel()
	s := newTestShard(t, Options{})
	enter := entrance(t, s)
	for range 2 * trimSlots {
		s.lost = append(s.lost, enter())
	}
	for _, c := range s.conns {
		s.broken(c)
	}
	s.tickNow()
	s.run()
	if n := len(s.conns); n > 0 || len(s.lost) == 0 {
		t.Fatalf("%d slots are left and %d connections are to be closed: the test tests nothing", n, len(s.lost))
	}
	for len(s.lost) > 0 {
		s.run()
	}
	if n := s.count.closed[CauseTransport]; n != 2*trimSlots {
		t.Errorf("%d connections were closed, want %d", n, 2*trimSlots)
	}
}
