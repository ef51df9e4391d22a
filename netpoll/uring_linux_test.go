package netpoll

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"carillon/codec"
)

// testRing is a ring, and ends of sockets by what a send to them does.
func testRing(t *testing.T, entries int) *uring {
	t.Helper()
	u, err := newUring(entries)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.close)
	return u
}

func socketPair(t *testing.T) [2]int32 {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Close(pair[0])
		_ = unix.Close(pair[1])
	})
	return [2]int32{int32(pair[0]), int32(pair[1])}
}

// TestUringResults submits sends of every outcome together, the blocking sockets
// among them not waiting for anybody.
func TestUringResults(t *testing.T) {
	u := testRing(t, 8)
	well, full, short, shut := socketPair(t), socketPair(t), socketPair(t), socketPair(t)
	page := make([]byte, 4096)
	for {
		if _, err := rawSend(full[0], page); err == unix.EAGAIN {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.SetsockoptInt(int(short[0]), unix.SOL_SOCKET, unix.SO_SNDBUF, 8<<10); err != nil {
		t.Fatal(err)
	}
	if err := unix.Shutdown(int(shut[1]), unix.SHUT_RD); err != nil {
		t.Fatal(err)
	}
	long := make([]byte, 256<<10)
	u.send(well[0], []byte("one"))
	u.send(full[0], page)
	u.send(shut[0], page)
	u.send(-1, page)
	u.send(short[0], long)
	u.send(well[0], []byte("two"))
	got, err := u.submit()
	if err != nil || len(got) != 6 {
		t.Fatalf("got %d results, %v, want 6", len(got), err)
	}
	for i, want := range []int32{3, -int32(unix.EAGAIN), -int32(unix.EPIPE), -int32(unix.EBADF), got[4], 3} {
		if got[i] != want {
			t.Errorf("send %d: got %d, want %d", i, got[i], want)
		}
	}
	if got[4] <= 0 || int(got[4]) >= len(long) {
		t.Errorf("a send of %d bytes to a small buffer: got %d, want a part", len(long), got[4])
	}
	b := make([]byte, 16)
	if n, err := unix.Read(int(well[1]), b); string(b[:max(n, 0)]) != "onetwo" {
		t.Errorf("got %q, %v, want %q", b[:max(n, 0)], err, "onetwo")
	}
}

// TestUringRounds goes round the ring many times with batches of every size.
func TestUringRounds(t *testing.T) {
	u := testRing(t, 8)
	pair := socketPair(t)
	b := make([]byte, 8)
	for round := range 1000 {
		n := round % 9
		for i := range n {
			u.send(pair[0], []byte{byte(round + i)})
		}
		got, err := u.submit()
		if err != nil || len(got) != n {
			t.Fatalf("round %d: got %d results, %v, want %d", round, len(got), err, n)
		}
		if n == 0 {
			continue
		}
		if m, err := unix.Read(int(pair[1]), b); m != n {
			t.Fatalf("round %d: read %d bytes, %v, want %d", round, m, err, n)
		}
		for i := range n {
			if got[i] != 1 || b[i] != byte(round+i) {
				t.Fatalf("round %d, send %d: result %d, byte %d, want 1 and %d", round, i, got[i], b[i], byte(round+i))
			}
		}
	}
}

// TestUringLost takes the ring away under a shard: the sweep under way goes on
// with plain sends, and nobody misses or repeats anything.
func TestUringLost(t *testing.T) {
	onBothPaths(t, func(t *testing.T, mode UringMode) {
		s := newTestShard(t, Options{Uring: mode})
		rnd := rand.New(rand.NewPCG(3, 3))
		var all []*modelClient
		for range 300 {
			all = append(all, s.addModelClient(t, rnd, false))
		}
		broadcast := func(payload string) {
			f := codec.NewTextString(payload)
			for _, m := range all {
				m.expect(f)
			}
			if err := s.push(op{kind: opBroadcast, frame: f}); err != nil {
				t.Fatal(err)
			}
		}
		broadcast("with")
		s.slice(opSends, 100)
		if s.uring != nil {
			null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := unix.Dup2(null, s.uring.fd); err != nil {
				t.Fatal(err)
			}
			_ = unix.Close(null)
		}
		for s.lap.active {
			s.slice(opSends, 100)
		}
		if s.uring != nil {
			t.Error("the shard still has its ring")
		}
		broadcast("without")
		for s.depth.Load() > 0 || s.lap.active {
			s.slice(opSends, 100)
		}
		for _, m := range all {
			m.read(1 << 10)
			if m.check(t, "client"); !bytes.HasSuffix(m.got, []byte("without")) {
				t.Fatalf("got %q", m.got)
			}
		}
	})
}
