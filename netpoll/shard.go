package netpoll

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"carillon/codec"
)

// Shard is one event loop with everything it owns. Fields below the line are
// touched by the loop only.
type Shard struct {
	r    *Reactor
	opt  *Options
	idx  int
	loop gnet.EventLoop

	mu       sync.Mutex
	queue    []op     // operations of other goroutines, bounded by Options.MaxQueued
	writable []Handle // blocked connections that can be written to; at most one each
	tickDue  bool
	resting  bool // the loop waits for its timer
	armed    bool // the loop is awake or has been told to wake
	wakeFD   int  // our end of the wake socket, -1 before it is there and after the stop
	stopped  bool
	rings    uint64 // wake-ups written so far

	depth      atomic.Int64 // operations in queue and batch
	depthBytes atomic.Int64
	refused    atomic.Uint64
	published  atomic.Pointer[ShardStats]

	// ---- loop only ----

	conns    []*Conn // by slot
	gens     []uint32
	firstGen uint32 // no generation of a slot that trim took away is higher
	free     []uint32
	hot      []hotSlot
	open     int           // connections that take messages
	readers  [logCount]int // of them, by log

	wheel     *wheel
	due       func(slot uint32)
	real, now uint32 // ticks: of the wheel, and stall-free
	wall      uint32 // ticks by which tokens expire

	logs      [logCount]broadcastLog
	tail      [logCount]uint64 // no blocked connection's backlog begins before it; noTail when none is blocked
	lap       lap
	quietHead [logCount]uint64 // heads of the logs at the last tick
	blocked   []*Conn          // blocked connections that read a log

	uring      *uring     // nil: each send of the sweep is a system call of its own
	batched    []int32    // slots of the sends that are with the ring
	unfinished []ringSend // of them, those that took less than all

	batch     []op
	next      int
	nextMany  int
	busiest   int      // longest batch since the last tick
	sends     int      // length of a slice of the sweep
	quiet     int      // slices since something came in
	resumable []Handle // blocked connections to go on with
	resumed   int      // of them, done
	dirty     []*Conn
	doomed    []*Conn
	lost      []*Conn          // that epoll does not watch any more and that are still to be closed
	held      map[*Conn][]byte // bytes that gnet does not have and that wait for more
	drain     drain
	direct    direct

	decoder  *codec.Decoder
	corked   *Conn // replies to its read are being gathered
	cork     []byte
	frame    []byte        // scratch for one encoded frame
	scratch  []byte        // scratch for gathered pieces and responses
	request  codec.Request // the handshake that is being judged
	outPool  []*outQueue
	outBytes int

	count counters

	handshakeTicks, heartbeatTicks, pingTicks, closeTicks uint32
}

func newShard(r *Reactor, idx int, loop gnet.EventLoop) *Shard {
	real := uint32(time.Since(r.started) / Tick)
	s := &Shard{
		r: r, opt: &r.opt, idx: idx, loop: loop, wakeFD: -1,
		wheel: newWheel(real), real: real, now: real, wall: wallTick(time.Now()),
		uring:   r.takeRing(),
		held:    make(map[*Conn][]byte),
		decoder: codec.NewDecoder(codec.DecoderOptions{MaxMessage: r.opt.MaxMessage, Binary: r.opt.Binary}),
		// What happens between two looks at the clock counts from the first one.
		handshakeTicks: ticks(r.opt.HandshakeTimeout) + r.period,
		heartbeatTicks: ticks(r.opt.HeartbeatTimeout) + r.period,
		pingTicks:      ticks(r.opt.PingInterval),
		closeTicks:     ticks(r.opt.CloseTimeout) + r.period,
	}
	s.due = s.onDue
	for k := range s.logs {
		s.logs[k] = newBroadcastLog(r.opt.MaxOutbound)
		s.logs[k].head = logBase
		s.tail[k] = noTail
		s.lap.target[k], s.lap.floor[k] = logBase, logBase
	}
	s.publish()
	return s
}

// wakeConn is the gnet context of the socket that wakes a loop. A byte on it
// runs one slice of the shard's work; because it is a socket like any other,
// gnet serves everything else that is ready before the next slice. (gnet's own
// task queue is drained to the end first: a task that queues itself again would
// starve the sockets.)
type wakeConn struct{ shard *Shard }

// attach gives the shard its wake socket. Loop only.
func (s *Shard) attach(fd int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakeFD = fd
	s.armed = true
	s.ring()
}

var wakeByte = []byte{1}

// ring writes to the wake socket; s.mu is held. A full socket means that the
// loop has wake-ups to read.
func (s *Shard) ring() {
	s.rings++
	_, _ = unix.Write(s.wakeFD, wakeByte)
	if s.resting {
		s.direct.timer.end()
	}
}

// stop refuses further operations and closes the wake socket. The loop has ended.
func (s *Shard) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.wakeFD >= 0 {
		_ = unix.Close(s.wakeFD)
		s.wakeFD = -1
	}
	for _, ops := range [][]op{s.batch[s.next:], s.queue} {
		for i := range ops {
			ops[i].receipt.finish()
		}
	}
	s.batch, s.next, s.queue = nil, 0, nil
	s.depth.Store(0) // who waits for room is refused now
	s.depthBytes.Store(0)
	s.direct.timer.close()
	s.dropRing()
}

// tickNow asks the loop to advance its clocks. Any goroutine.
func (s *Shard) tickNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tickDue = true
	s.arm()
}

// onWritable asks the loop to go on with a blocked connection. Any goroutine.
func (s *Shard) onWritable(h Handle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writable = append(s.writable, h)
	s.arm()
}

// smallBatch is the length of a batch that a queue of four times its size is kept
// for.
const smallBatch = 1024

// run does one slice of the shard's work: a short one, unless nothing has come in
// for a while. If more is to be done, it rings. Loop only.
func (s *Shard) run() {
	if s.quiet++; s.quiet == 1 {
		s.sends = sweepSends
	} else if s.quiet > quietSlices {
		s.sends = min(2*s.sends, sweepSendsMax)
	}
	s.slice(opSends, s.sends)
}

// slice is run with at most so many sends for operations and in the sweep.
func (s *Shard) slice(ops, sends int) {
	s.mu.Lock()
	tickDue := s.tickDue
	s.tickDue = false
	if s.resumed == len(s.resumable) {
		s.writable, s.resumable = s.resumable[:0], s.writable
		s.resumed = 0
	}
	if s.next == len(s.batch) {
		s.batch, s.queue = s.queue, s.batch[:0]
		s.next = 0
		s.busiest = max(s.busiest, len(s.batch))
		if tickDue {
			// An array that a burst needed goes when a whole tick did without.
			if s.busiest < smallBatch && cap(s.queue) > 4*smallBatch {
				s.queue = nil
			}
			s.busiest = 0
		}
	}
	s.mu.Unlock()

	if tickDue {
		s.tick()
	}
	for n := 0; n < sends && s.resumed < len(s.resumable); n++ {
		s.resume(s.resumable[s.resumed])
		s.resumed++
	}
	s.runOps(ops)
	s.sweep(sends)
	s.closeLost()
	s.reap()
	if tickDue {
		s.trim()
	}

	if s.goesOn() {
		yieldThread()
	}
}

// goesOn rings for the next slice if there is more to do. Loop only.
func (s *Shard) goesOn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = s.next < len(s.batch) || s.lap.active || len(s.queue) > 0 || s.tickDue || len(s.writable) > 0 || s.resumed < len(s.resumable) || len(s.lost) > 0
	if s.armed && s.wakeFD >= 0 {
		s.ring()
	}
	return s.armed
}

// admit makes a connection of an accepted socket. Loop only.
func (s *Shard) admit(gc gnet.Conn) *Conn {
	var slot uint32
	if n := len(s.free); n > 0 {
		slot = s.free[n-1]
		s.free = s.free[:n-1]
	} else {
		slot = uint32(len(s.conns))
		if slot > handleSlotMask {
			panic("BUG: more connections on a loop than a handle can name")
		}
		s.conns = append(s.conns, nil)
		s.gens = append(s.gens, s.firstGen)
		s.hot = append(s.hot, hotSlot{fd: -1})
		s.wheel.grow(len(s.conns))
	}
	gen := (s.gens[slot] + 1) & handleGenMask
	if gen == 0 {
		gen = 1
	}
	s.gens[slot] = gen
	c := &Conn{gc: gc, shard: s, slot: slot, seen: s.now, since: s.now, listed: -1}
	s.conns[slot] = c
	s.hot[slot] = hotSlot{fd: int32(gc.Fd())}
	s.r.setSlot(s.hot[slot].fd, slot+1)
	s.schedule(c, s.handshakeTicks)
	s.count.accepted++
	return c
}
