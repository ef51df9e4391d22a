package engine

import (
	"net"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"carillon/bench/internal/faulty"
	"carillon/bench/plan"
	"carillon/bench/stats"
	"carillon/codec"
)

// A loop that has lost its connections leaves its operations to one that has some.
func TestLoopWithoutConnections(t *testing.T) {
	t.Parallel()
	for _, kind := range []plan.Kind{plan.Heartbeat, plan.Echo} {
		srv := faulty.Start(t, faulty.Options{})
		r := newRig(t, plan.Scenario{Kind: kind, URL: srv.URL(), Connections: 20, Rate: 1000, ConnectRate: 5000, ReplyTimeout: patience})
		r.connect()
		st := r.traffic(0, 600*time.Millisecond)
		r.e.sleepUntil(st.From + int64(200*time.Millisecond))
		r.round(func(g *group) {
			for g.s.idx == 1 && len(g.live) > 0 {
				g.s.leave(g.live[0], true)
			}
		})
		r.settle(st)
		r.disconnect()
		if c := r.all(0); c.Arrivals != 600 || c.Sent != 600 || c.Refused != 0 || c.OK+c.Cut != 600 || c.Left != 20 {
			t.Errorf("%s: got %+v, want all 600 sent", kind, c)
		}
	}
}

// Loops share the operations as they share the connections, without a gap.
func TestLoads(t *testing.T) {
	t.Parallel()
	own := whole.part(10, 30, 100)
	for _, l := range []loads{{5, 5}, {26, 25}, {1, 99}, {0, 7, 0, 3}, {4}} {
		total := 0
		for _, n := range l {
			total += n
		}
		at := own.lo
		for i, n := range l {
			p := l.of(own, i)
			if p.lo != at {
				t.Errorf("%v: loop %d begins at %d, want %d", l, i, p.lo, at)
			}
			if d := p.share() - own.share()*float64(n)/float64(total); d > 1e-6 || d < -1e-6 {
				t.Errorf("%v: loop %d has %v", l, i, p.share())
			}
			at = p.hi
		}
		if at != own.hi {
			t.Errorf("%v: ends at %d, want %d", l, at, own.hi)
		}
	}
	for i := range 3 { // nobody has any: somebody has to tell what could not be begun
		if p := (loads{0, 0, 0}).of(own, i); p.empty() {
			t.Errorf("loop %d has nothing", i)
		}
	}
}

// What was due and was not begun is the server's fault when no connection was
// free, and ours when one was.
func TestLeftOver(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind plan.Kind
		busy bool
		want stats.Counts
	}{
		"echo":                     {plan.Echo, false, stats.Counts{Arrivals: 10, Dropped: 10}},
		"heartbeat":                {plan.Heartbeat, false, stats.Counts{Arrivals: 10, Dropped: 10}},
		"heartbeat, all are asked": {plan.Heartbeat, true, stats.Counts{Arrivals: 10, Refused: 10}},
	} {
		b := newBare(t, plan.Scenario{Kind: tt.kind})
		if tt.busy {
			b.g.popIdle()
		}
		b.g.stage = Stage{From: start0 + 5_000_000, To: start0 + 1e9}
		b.g.s.now = start0 + 14_500_000
		b.g.refuse(newSchedule(plan.Constant, 1000, start0, start0+1e9, whole, [2]uint64{}))
		if got := b.g.acc[measured].Counts; got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
		if n := b.g.acc[other].Counts.Arrivals; n != 5 {
			t.Errorf("%s: %d before the measured period, want 5", name, n)
		}
	}
}

// What comes when its stage has been settled changes none of its figures.
func TestAfterTheEnd(t *testing.T) {
	t.Parallel()
	for _, kind := range []plan.Kind{plan.Broadcast, plan.Push} {
		b := newBare(t, plan.Scenario{Kind: kind})
		late, later := b.delivery(), b.delivery()
		b.g.on = false
		b.feed(late)
		b.g.on, b.g.epoch = true, b.g.epoch+2 // the next stage
		b.feed(later)
		if m := b.g.acc[measured].Counts; m != (stats.Counts{}) {
			t.Errorf("%s: got %+v", kind, m)
		}
		if o := b.g.acc[other].Counts; o.Late != 2 || o.Received != 2 || o.OK != 0 {
			t.Errorf("%s: got %+v, want two late ones", kind, o)
		}
	}
}

// looplessLoop closes connections as gnet does.
type looplessLoop struct {
	gnet.EventLoop
	b *bare
}

func (l looplessLoop) Close(gnet.Conn) error { l.b.g.s.closed(l.b.c, nil); return nil }

// A send that meets a reset connection does not lose the close frame that had come
// before the reset.
func TestResetAfterCloseFrame(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sent []byte
		want string
	}{
		"close frame": {codec.AppendClose(nil, 4001, "chosen"), "close 4001: chosen"},
		"nothing":     {nil, "reset by peer"},
		"a message":   {codec.AppendFrame(nil, ws.OpText, []byte("x")), "reset by peer"},
	} {
		b := newBare(t, plan.Scenario{Kind: plan.Echo})
		b.g.s.loop = looplessLoop{b: b}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = ln.Close()
		_, _ = server.Write(tt.sent)
		_ = server.(*net.TCPConn).SetLinger(0)
		_ = server.Close()
		rc, err := client.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = rc.Control(func(fd uintptr) {
			poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			for poll[0].Revents&unix.POLLHUP == 0 {
				_, _ = unix.Poll(poll, -1)
			}
			b.c.fd = int32(fd)
			if b.g.s.send(b.c, []byte("frame")) {
				t.Errorf("%s: a reset connection took a frame", name)
			}
		})
		_ = client.Close()
		if n := b.g.acc[measured].Causes[stats.Cause{Kind: stats.Closed, Text: tt.want}]; n != 1 || b.c.state != stateClosed {
			t.Errorf("%s: got %v, want %q", name, b.g.acc[measured].Causes, tt.want)
		}
	}
}

// Damaged messages stand for those that were due also where the connection ends.
func TestServerDamagesAndCloses(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		faults := faulty.Faults{CorruptEvery: 31, CorruptOffset: 20, DropEvery: 29, Close: faulty.Close{Every: 97, Code: 4001}}
		if kind == "echo" {
			faults.CorruptOffset = 90 // the digits of the mark, its prefix left out
		}
		r, c, st := trial(t, kind, faulty.Options{Faults: faults}, short)
		closed := st.ClosedByUs
		expect(t, c, stats.Counts{Wrong: st.Corrupted, Lost: st.Dropped, Closed: closed, Cut: c.Cut})
		if n := r.cause(0, stats.Wrong, causeDamaged); n != st.Corrupted || n < 5 || closed < 2 {
			t.Errorf("%d damaged beyond recognition, want %d; %d closed", n, st.Corrupted, closed)
		}
	}, "echo", "broadcast", "hub", "push")
}
