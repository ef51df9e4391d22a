package netpoll

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"carillon/codec"
)

// fakeLoop and fakeConn stand in for gnet, so that a test drives a shard slice
// by slice on its own goroutine, over real sockets.
type fakeLoop struct {
	gnet.EventLoop
	s *Shard
}

func (l *fakeLoop) Close(gc gnet.Conn) error {
	l.s.remove(gc.(*fakeConn).c, nil)
	return unix.Close(gc.Fd())
}

type fakeConn struct {
	gnet.Conn
	fd int
	c  *Conn
}

func (c *fakeConn) Fd() int              { return c.fd }
func (c *fakeConn) RemoteAddr() net.Addr { return nil }

// silent is a Handler that does nothing.
type silent struct{}

func (silent) Authenticate(*Conn, *codec.Request) (t time.Time, rej *codec.Rejection) { return }
func (silent) Open(*Conn)                                                             {}
func (silent) Message(*Conn, ws.OpCode, []byte)                                       {}
func (silent) Closed(*Conn, Cause)                                                    {}
func (silent) HTTP(net.Conn) bool                                                     { return false }

// newTestShard is a shard without a loop.
func newTestShard(t testing.TB, opt Options) *Shard {
	t.Helper()
	opt.setDefaults(1)
	opt.Logger = slog.New(slog.DiscardHandler)
	w, err := newWatcher()
	if err != nil {
		t.Fatal(err)
	}
	r := &Reactor{opt: opt, handler: silent{}, watcher: w, newRing: newUring, started: time.Now().Add(-Tick), period: 1}
	r.shards.Store(new([]*Shard))
	if err := r.openRings(); err != nil {
		t.Fatal(err)
	}
	s := newShard(r, 0, nil)
	s.loop = &fakeLoop{s: s}
	r.shards.Store(&[]*Shard{s})
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.run(r.onWritable)
	}()
	t.Cleanup(func() {
		for _, c := range s.conns {
			if c != nil {
				s.doom(c)
			}
		}
		s.reap()
		s.dropRing()
		w.stop()
		<-done
		w.close()
	})
	return s
}

// modelClient is the other end of a connection of a model test: what it is to
// get, and what it got.
type modelClient struct {
	c      *Conn
	h      Handle
	fd     int
	frames [][]byte // expected, one entry a frame
	got    []byte
	lazy   int  // reads one time in lazy; 0: never until the end
	kicked bool // was closed by the test after frames
	eof    bool
}

func (m *modelClient) expect(f *codec.Frame) {
	if !m.kicked {
		m.frames = append(m.frames, m.c.variant(f))
	}
}

func (m *modelClient) read(most int) {
	var b [16 << 10]byte
	for most > 0 && !m.eof {
		n, err := unix.Read(m.fd, b[:min(most, len(b))])
		if err != nil {
			m.eof = err != unix.EAGAIN
			return
		}
		if n == 0 {
			m.eof = true
			return
		}
		m.got = append(m.got, b[:n]...)
		most -= n
	}
}

// check compares what came with what had to: all of it, or, for a client that
// was closed, whole frames from the start and one close frame. It returns the
// close code, 0 for none.
func (m *modelClient) check(t *testing.T, what string) codec.CloseCode {
	t.Helper()
	got := m.got
	for i, f := range m.frames {
		if len(got) >= len(f) && bytes.Equal(got[:len(f)], f) {
			got = got[len(f):]
			continue
		}
		if len(got) >= 4 && got[0] == 0x88 {
			break
		}
		n := min(len(got), 24)
		t.Fatalf("%s: frame %d of %d differs: got %x..., want %x... (%d bytes left, frame has %d)", what, i, len(m.frames), got[:n], f[:min(24, len(f))], len(got), len(f))
	}
	if len(got) == 0 {
		return 0
	}
	if got[0] != 0x88 || len(got) != 2+int(got[1]) {
		t.Fatalf("%s: after the frames came %x", what, got[:min(len(got), 64)])
	}
	return codec.CloseCode(binary.BigEndian.Uint16(got[2:]))
}

func (s *Shard) addModelClient(t testing.TB, rnd *rand.Rand, deflate bool) *modelClient {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range pair {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<10+rnd.IntN(16<<10)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(pair[1]) })
	gc := &fakeConn{fd: pair[0]}
	c := s.admit(gc)
	gc.c = c
	s.openConn(c, deflate, time.Time{})
	return &modelClient{c: c, h: c.Handle(), fd: pair[1]}
}

// TestShardModel runs on both send paths random broadcasts, targeted frames, closes and arrivals
// over sockets with tiny buffers whose readers read at random pace, in slices of
// random size. Every client must see exactly its own stream, in order; who falls
// behind is closed at a frame boundary.
func TestShardModel(t *testing.T) {
	t.Parallel()
	seeds := []uint64{102, 115} // found a frame after a close frame
	for seed := range uint64(12) {
		seeds = append(seeds, seed)
	}
	onBothPaths(t, func(t *testing.T, mode UringMode) {
		for _, seed := range seeds {
			t.Run(fmt.Sprint(seed), func(t *testing.T) { shardModel(t, mode, seed) })
		}
	})
}

func shardModel(t *testing.T, mode UringMode, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 99))
	bound := []int{4 << 10, 20 << 10, 60 << 10}[seed%3]
	s := newTestShard(t, Options{MaxOutbound: bound, CloseTimeout: time.Hour, Uring: mode})
	var clients []*modelClient
	add := func() {
		m := s.addModelClient(t, rnd, rnd.IntN(3) == 0)
		m.lazy = 1 + rnd.IntN(12)
		if rnd.IntN(8) == 0 {
			m.lazy = 0
		}
		clients = append(clients, m)
	}
	for range 10 {
		add()
	}
	serial := 0
	frame := func(id int) *codec.Frame {
		n := rnd.IntN(300)
		switch rnd.IntN(40) {
		case 0:
			n = rnd.IntN(bound - 64)
		case 1:
			n = bound - 64
		}
		serial++
		b := fmt.Appendf(nil, "%d for %d ", serial, id)
		for range n {
			b = append(b, 'a'+byte(rnd.IntN(4)))
		}
		if codec.FrameSize(len(b)) > bound {
			b = b[:bound-10]
		}
		f := codec.NewText(b)
		if rnd.IntN(2) == 0 {
			f.Compress(1, 0)
		}
		return f
	}
	alive := func() *modelClient {
		m := clients[rnd.IntN(len(clients))]
		if m.kicked {
			return nil
		}
		return m
	}
	push := func(o op) {
		t.Helper()
		if err := s.push(o); err != nil {
			t.Fatal(err)
		}
	}
	held := func() {
		for _, m := range clients {
			// A closing connection may hold the rest of one frame and the close frame more.
			if c := s.find(m.h); c != nil && c.state != stateHalfClosed && s.pending(c) > bound+128 {
				t.Fatalf("%d bytes are held for one connection, bound %d (state %d, hot %+v, queue %+v, lap %+v)", s.pending(c), bound, c.state, s.hot[c.slot], c.out != nil, s.lap)
			}
		}
	}
	for range 1500 {
		switch k := rnd.IntN(20); {
		case k < 9:
			f := frame(-1)
			for _, m := range clients {
				m.expect(f)
			}
			push(op{kind: opBroadcast, frame: f})
		case k < 14:
			if m := alive(); m != nil {
				f := frame(m.fd)
				m.expect(f)
				push(op{kind: opSend, h: m.h, frame: f})
			}
		case k < 16:
			f := frame(-2)
			var hs []Handle
			for _, m := range clients {
				if rnd.IntN(2) == 0 && !m.kicked {
					hs = append(hs, m.h)
					m.expect(f)
				}
			}
			push(op{kind: opSendMany, many: hs, frame: f})
		case k == 16 && rnd.IntN(6) == 0:
			if m := alive(); m != nil {
				m.kicked = true
				push(op{kind: opClose, h: m.h, code: codec.CloseNormal, cause: CauseKicked})
			}
		case k == 17 && len(clients) < 90:
			// A newcomer gets what is carried out after it came.
			for s.depth.Load() > 0 {
				s.slice(1+rnd.IntN(20), 1+rnd.IntN(3))
			}
			for range 1 + rnd.IntN(9) {
				add()
			}
		default:
			for _, m := range clients {
				if m.lazy > 0 && rnd.IntN(m.lazy) == 0 {
					m.read(rnd.IntN(20 << 10))
				}
			}
		}
		if rnd.IntN(3) > 0 {
			s.slice(1+rnd.IntN(10), 1+rnd.IntN(12))
			held()
		}
	}
	// Everybody reads to the end now.
	deadline := time.Now().Add(testPatience)
	settled := func() bool {
		if s.depth.Load() > 0 || s.lap.active {
			return false
		}
		for _, c := range s.conns {
			if c != nil && (c.out != nil || c.state == stateOpen && s.pending(c) > 0) {
				return false
			}
		}
		return true
	}
	for !settled() {
		if time.Now().After(deadline) {
			t.Fatal("the shard does not settle")
		}
		s.slice(opSends, sweepSends)
		for _, m := range clients {
			m.read(1 << 20)
		}
	}
	slow := 0
	for i, m := range clients {
		m.read(1 << 24)
		what := fmt.Sprintf("client %d, deflate %v", i, m.c.Deflate())
		code := m.check(t, what)
		c := s.find(m.h)
		switch {
		case code == codec.CloseTryAgainLater:
			slow++
			if !m.eof {
				t.Errorf("%s: closed as slow, but its connection is not shut", what)
			}
		case m.kicked && code != codec.CloseNormal:
			t.Errorf("%s: close code %d, want 1000", what, code)
		case !m.kicked && (code != 0 || c == nil || c.state != stateOpen):
			t.Errorf("%s: close code %d of a live connection", what, code)
		case m.kicked && c == nil:
			t.Errorf("%s: gone before its client answered the close frame", what)
		}
	}
	if slow == 0 && bound < 60<<10 {
		t.Errorf("nobody fell behind with a bound of %d: the test tests nothing", bound)
	}
	if s.outBytes != 0 {
		t.Errorf("%d bytes are counted as queued, want 0", s.outBytes)
	}
}

// closingOthers is a Handler that closes the whole house with its first member.
type closingOthers struct {
	silent
	all *[]*modelClient
}

func (h closingOthers) Closed(*Conn, Cause) {
	for _, m := range *h.all {
		m.c.Close(codec.CloseNormal, "", CauseHandler)
	}
}

// TestClosedClosesOthers falls behind with several connections at once, where the
// handler of the first that is closed closes the others.
func TestClosedClosesOthers(t *testing.T) {
	t.Parallel()
	onBothPaths(t, closedClosesOthers)
}

func closedClosesOthers(t *testing.T, mode UringMode) {
	s := newTestShard(t, Options{MaxOutbound: 8 << 10, Uring: mode})
	var all []*modelClient
	s.r.handler = closingOthers{all: &all}
	for range 8 {
		m := s.addModelClient(t, rand.New(rand.NewPCG(5, 5)), false) // all the same buffer
		m.c.flags |= flagOpened
		all = append(all, m)
	}
	f := codec.NewText(bytes.Repeat([]byte("x"), 4000))
	for n := 0; s.open > 0; n++ {
		if n > 100 {
			t.Fatalf("%d connections are open after %d broadcasts nobody read", s.open, n)
		}
		for _, m := range all {
			m.expect(f)
		}
		if err := s.push(op{kind: opBroadcast, frame: f}); err != nil {
			t.Fatal(err)
		}
		s.run()
	}
	if len(s.blocked) != 0 {
		t.Errorf("%d closed connections are listed as blocked", len(s.blocked))
	}
	deadline := time.Now().Add(testPatience)
	for _, m := range all {
		for !m.eof {
			if time.Now().After(deadline) {
				t.Fatal("a closed connection is not shut")
			}
			m.read(1 << 16)
			s.run()
		}
		if code := m.check(t, "client"); code != codec.CloseTryAgainLater && code != codec.CloseNormal {
			t.Errorf("close code %d, want 1013 or 1000", code)
		}
	}
}
