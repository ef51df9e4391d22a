//go:build !race

package netpoll

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"carillon/codec"
)

func TestSizes(t *testing.T) {
	t.Parallel()
	if n := unsafe.Sizeof(Conn{}); n > 80 {
		t.Errorf("Conn has %d bytes, want at most 80", n)
	}
	if n := unsafe.Sizeof(hotSlot{}); n != 16 {
		t.Errorf("hotSlot has %d bytes, want 16: four to a cache line", n)
	}
	if n := unsafe.Sizeof(wheelLink{}) + unsafe.Sizeof(uint32(0)); n > 16 {
		t.Errorf("a slot costs %d bytes in the wheel, want at most 16", n)
	}
}

// answering answers heartbeats.
type answering struct{ silent }

func (answering) Message(c *Conn, _ ws.OpCode, payload []byte) {
	if codec.IsHeartbeat(payload) {
		c.SendShared(codec.HeartbeatAck)
	}
}

// TestHeartbeatAllocatesNothing is the way of a heartbeat through the loop's
// code, and of its answer into the socket.
func TestHeartbeatAllocatesNothing(t *testing.T) {
	s := newTestShard(t, Options{})
	s.r.handler = answering{}
	m := s.addModelClient(t, rand.New(rand.NewPCG(1, 1)), false)
	request := []byte(text(codec.HeartbeatRequest))
	in := make([]byte, len(request))
	out := make([]byte, 64)
	allocs := testing.AllocsPerRun(1000, func() {
		copy(in, request)
		if used := s.feed(m.c, in); used != len(in) {
			t.Fatalf("took %d bytes of %d", used, len(in))
		}
		if n, err := unix.Read(m.fd, out); n != len(codec.HeartbeatAck) || err != nil {
			t.Fatalf("answered with %d bytes, %v", n, err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per heartbeat, want 0", allocs)
	}
}

// TestBroadcastAllocatesNothing is one broadcast to 100 connections, its push and
// its sweep, and one targeted frame to each.
func TestBroadcastAllocatesNothing(t *testing.T) {
	onBothPaths(t, broadcastAllocatesNothing)
}

func broadcastAllocatesNothing(t *testing.T, mode UringMode) {
	s := newTestShard(t, Options{Uring: mode})
	rnd := rand.New(rand.NewPCG(1, 1))
	var ms []*modelClient
	var hs []Handle
	for i := range 100 {
		m := s.addModelClient(t, rnd, i%2 == 0)
		ms = append(ms, m)
		hs = append(hs, m.h)
	}
	f := codec.NewTextString(strings.Repeat("x", 128))
	out := make([]byte, 4096)
	lap := func() {
		if err := s.push(op{kind: opBroadcast, frame: f}); err != nil {
			t.Fatal(err)
		}
		if err := s.push(op{kind: opSendMany, many: hs, frame: f}); err != nil {
			t.Fatal(err)
		}
		for s.depth.Load() > 0 || s.lap.active {
			s.run()
		}
		for _, m := range ms {
			if n, err := unix.Read(m.fd, out); n != 2*len(f.Plain()) || err != nil {
				t.Fatalf("got %d bytes, %v", n, err)
			}
		}
	}
	for range 300 { // the ring, the queues and the pools reach their size
		lap()
	}
	if allocs := testing.AllocsPerRun(100, lap); allocs != 0 {
		t.Errorf("%v allocations per broadcast and targeted frame to 100 connections, want 0", allocs)
	}
}
