package engine

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"
	"github.com/panjf2000/gnet/v2/pkg/logging"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"carillon/bench/stats"
	"carillon/codec"
)

// shard is one event loop and all it owns. Methods without another word are
// called on the loop only.
type shard struct {
	e   *Engine
	idx int
	now int64 // the clock when the current event began

	client *gnet.Client // of this loop alone, so that connections go where they should
	loop   gnet.EventLoop

	groups []*group // one per scenario

	dec     *codec.Decoder
	rng     *rand.Rand
	frame   []byte // scratch: one frame
	text    []byte // scratch: one message
	wanted  []byte // scratch: what a message should have been
	userBuf []byte // scratch: a user
	markBuf []byte // scratch: a mark
	reading *conn  // whose bytes are being handled

	shaking deadlines     // handshakes
	leaving ring[waiting] // connections whose close frame is out, oldest first
	lastRun int64         // housekeeping

	lag stats.Hist // of wake-ups

	alarm alarm // wakes the loop when the next operation is due

	// Other goroutines' side.
	armed atomic.Bool  // a wake-up is under way
	rung  atomic.Int64 // when it was rung
	wake  int          // our end of the wake socket

	mu    sync.Mutex
	ops   []func()
	off   bool          // the loop has ended: operations are refused
	ended chan struct{} // closed when no operation runs any more
}

// housekeeping is how often a loop looks for what has timed out at most, in ns.
const housekeeping = 20e6

func newShard(e *Engine, idx int) *shard {
	s := &shard{
		e: e, idx: idx, wake: -1, ended: make(chan struct{}),
		dec: codec.NewDecoder(codec.DecoderOptions{MaxMessage: maxMessage, Binary: true, Client: true}),
		rng: rand.New(rand.NewPCG(e.job.Plan.Seed, uint64(e.job.Worker)<<16|uint64(idx))),
	}
	for _, sc := range e.scenarios {
		s.groups = append(s.groups, newGroup(s, sc))
	}
	return s
}

// maxMessage is the longest message a server may send, in bytes.
const maxMessage = 32 << 20

// start starts the shard's loop.
func (s *shard) start() (err error) {
	s.client, err = gnet.NewClient(&events{s: s},
		gnet.WithNumEventLoop(1), gnet.WithLogger(zap.NewNop().Sugar()), gnet.WithLogLevel(logging.ErrorLevel),
		gnet.WithTCPNoDelay(gnet.TCPNoDelay), gnet.WithReadBufferCap(64<<10))
	if err != nil {
		return err
	}
	if err = s.client.Start(); err != nil {
		s.client = nil
		return err
	}
	return s.openWake()
}

// openWake gives the shard its wake socket: a byte on it runs the shard. A socket
// like any other gets its turn between the others, which gnet's own task queue
// does not give.
func (s *shard) openWake() error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
		_ = unix.SetNonblock(fd, true)
	}
	s.wake = fds[0]
	f := os.NewFile(uintptr(fds[1]), "wake")
	nc, err := net.FileConn(f)
	_ = f.Close()
	if err != nil {
		return err
	}
	gc, err := s.client.Enroll(nc)
	if err != nil {
		return err
	}
	s.loop = gc.EventLoop()
	return s.alarm.open(s)
}

// post has fn run on the loop, in order with other posts. It is false when the
// loop has ended. Any goroutine.
func (s *shard) post(fn func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.off {
		return false
	}
	s.ops = append(s.ops, fn)
	s.ring()
	return true
}

// call is post, and waits until fn has run. When it is false, fn did not run and
// never will. Any goroutine but the loop.
func (s *shard) call(fn func()) bool {
	done := make(chan struct{})
	if !s.post(func() { defer close(done); fn() }) {
		return false
	}
	select {
	case <-done:
		return true
	case <-s.ended:
	}
	select {
	case <-done: // it was the loop's last
		return true
	default:
		return false
	}
}

var wakeByte = []byte{1}

// ring wakes the loop, unless that is under way. Any goroutine.
func (s *shard) ring() {
	if s.armed.CompareAndSwap(false, true) {
		s.rung.Store(s.e.clock.now())
		_, _ = unix.Write(s.wake, wakeByte)
	}
}

// woken is what a byte on the wake socket does.
func (s *shard) woken() {
	s.now = s.e.clock.now()
	s.lag.Record(durationOf(s.now - s.rung.Load()))
	s.armed.Store(false) // before looking: what comes from now on rings again
	s.run()
}

// due is what the alarm does.
func (s *shard) due() {
	s.now = s.e.clock.now()
	late := s.now - s.alarm.at
	s.lag.Record(durationOf(late))
	s.e.ticks.Add(1)
	if late > lateTick {
		s.e.droppedTicks.Add(1)
	}
	s.alarm.at = never
	s.run()
}

// run does what other goroutines want and what is due.
func (s *shard) run() {
	s.mu.Lock()
	ops := s.ops
	s.ops = nil
	s.mu.Unlock()
	for _, fn := range ops {
		fn()
	}
	if s.now-s.lastRun >= housekeeping { // before looking what is next: it may begin something
		s.lastRun = s.now
		s.housekeep()
	}
	next := int64(never)
	for _, g := range s.groups {
		next = min(next, g.pump())
	}
	if s.idx == 0 {
		next = min(next, s.e.director.fire(s.now))
	}
	s.alarm.set(max(min(next, s.deadline()), s.now+minGap))
}

// deadline is when something will have taken too long; never: nothing is waited
// for. An idle engine does not wake: the runtime keeps a processor busy for a
// millisecond each time.
func (s *shard) deadline() int64 {
	at := int64(never)
	if len(s.shaking) > 0 {
		at = s.shaking[0].by
	}
	if s.leaving.size > 0 {
		at = min(at, s.leaving.front().by)
	}
	for _, g := range s.groups {
		if g.pending.size > 0 {
			at = min(at, g.pending.front().by)
		}
		if g.resting.size > 0 {
			at = min(at, g.resting.front().by)
		}
	}
	return max(at, s.lastRun+housekeeping)
}

// housekeep ends what has taken too long.
func (s *shard) housekeep() {
	for len(s.shaking) > 0 {
		w := s.shaking[0]
		if w.c.state == stateHandshake && w.by > s.now {
			break
		}
		c := s.shaking.pop().c
		if c.state == stateHandshake {
			c.hs.bye = causeTimeout
			s.drop(c)
		}
	}
	for s.leaving.size > 0 {
		w := s.leaving.front()
		if w.c.state == stateLeaving && w.by > s.now {
			break
		}
		if c := s.leaving.pop().c; c.state == stateLeaving {
			s.drop(c)
		}
	}
	for _, g := range s.groups {
		g.expire()
	}
}

// stop ends the loop and closes its connections.
func (s *shard) stop() {
	if s.client != nil {
		_ = s.client.Stop()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.off {
		s.off, s.ops = true, nil
		close(s.ended)
	}
	s.alarm.close()
	if s.wake >= 0 {
		_ = unix.Close(s.wake)
		s.wake = -1
	}
}
