package engine

import (
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"
	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"carillon/bench/plan"
	"carillon/codec"
)

// bare is a loop without a loop: its shard, one connection of a scenario, and the
// server's side of its socket.
type bare struct {
	t    testing.TB
	g    *group
	c    *conn
	peer int
	sink []byte
	seq  uint32
}

// noBuffer is all that is wanted of gnet.
type noBuffer struct{ gnet.Conn }

func (noBuffer) OutboundBuffered() int    { return 0 }
func (noBuffer) Peek(int) ([]byte, error) { return nil, nil }

func newBare(t testing.TB, sc plan.Scenario) *bare {
	t.Helper()
	sc.URL, sc.Connections = "ws://127.0.0.1:9/ws", 100
	job := newJob(t, sc)
	e := &Engine{job: job, clock: newClock(0), prefix: markPrefix(job.Run)}
	e.shards = make([]*shard, 1)
	s, err := newScenario(0, &job.Plan.Scenarios[0], job.Shares[0], job.Pins)
	if err != nil {
		t.Fatal(err)
	}
	s.live = make([]atomic.Int32, 1)
	e.scenarios = []*scenario{s}
	e.shards[0] = newShard(e, 0)
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = unix.Close(fds[0]); _ = unix.Close(fds[1]) })
	b := &bare{t: t, g: e.shards[0].groups[0], peer: fds[1], sink: make([]byte, 64<<10)}
	b.c = &conn{gc: noBuffer{}, fd: int32(fds[0]), g: b.g, id: 7, slot: -1, state: stateOpen}
	b.g.add(b.c)
	b.g.stage = Stage{From: 0, To: never}
	b.g.epoch, b.g.on = 2, true
	b.g.s.now = e.clock.now()
	return b
}

// delivery is the frame of the next message published by stream 0.
func (b *bare) delivery() []byte {
	m := mark{epoch: b.g.epoch, seq: b.seq, due: b.g.s.now}
	if b.g.pushes() {
		m.stream = uint32(b.c.id)
	}
	v := plan.Values{ID: int(b.c.id), Seq: uint64(b.seq)}
	b.seq++
	return codec.AppendFrame(nil, ws.OpText, b.g.sc.appendText(nil, b.g.sc.message, &v, &m, b.g.s))
}

// feed gives a frame to the connection and checks that it was taken.
func (b *bare) feed(frame []byte) {
	if n := b.g.s.feed(b.c, frame); n != len(frame) {
		b.t.Fatalf("%d of %d bytes were taken", n, len(frame))
	}
}

// drain empties the server's side.
func (b *bare) drain() { _, _ = unix.Read(b.peer, b.sink) }

// ok checks that n messages were right, and none wrong.
func (b *bare) ok(n int64) {
	b.t.Helper()
	if c := b.g.acc[measured].Counts; c.OK < n || c.Wrong+c.Duplicate+c.OutOfOrder+c.Unexpected+c.Lost != 0 {
		b.t.Fatalf("got %+v, want at least %d right", c, n)
	}
}
