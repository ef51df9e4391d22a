package netpoll

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"carillon/codec"
)

// Reactor runs the event loops. Make one with New, then Start it.
type Reactor struct {
	opt     Options
	handler Handler

	started   time.Time
	shards    atomic.Pointer[[]*Shard]
	shardsMu  sync.Mutex
	conns     atomic.Int64
	adoptions atomic.Uint32
	overflows atomic.Uint64 // connections to a Unix socket refused for MaxConns
	date      atomic.Pointer[[]byte]
	period    uint32 // ticks between two looks at the clock
	draining  atomic.Bool
	lingers   bool            // loops may keep their processors for a while
	slots     []atomic.Uint32 // by descriptor: see setSlot
	watcher   *watcher
	rings     []*uring // for loops to come
	newRing   func(entries int) (*uring, error)

	port      int
	listeners []int // descriptors of gnet's listeners
	unix      *unixListener

	enrolments enrolments
	// gnetDue counts what gnet is given to do: a loop may be in the very batch that
	// told gnet of it, and must not wait there for sockets.
	gnetDue atomic.Int32

	running   bool // Start succeeded
	stopGnet  func() error
	loopsDone chan struct{} // closed when gnet has ended
	gnetErr   error         // valid then
	booted    chan struct{} // closed when all loops run
	bootOnce  sync.Once
	engine    gnet.Engine
	watchDone chan struct{}
	stopOnce  sync.Once
	stopErr   error
}

// New checks the options and returns a Reactor that does not run yet.
func New(opt Options, handler Handler) (*Reactor, error) {
	opt.setDefaults(runtime.GOMAXPROCS(0))
	if opt.Policy.Path == "" {
		return nil, errors.New("netpoll: Policy.Path is empty")
	}
	limit, err := connLimit(opt.listeners())
	if err != nil {
		return nil, err
	}
	if opt.MaxConns <= 0 || opt.MaxConns > limit {
		opt.MaxConns = limit
	}
	r := &Reactor{opt: opt, handler: handler, newRing: newUring, booted: make(chan struct{}), loopsDone: make(chan struct{}), watchDone: make(chan struct{})}
	r.period = periodOf(&r.opt)
	r.shards.Store(new([]*Shard))
	return r, nil
}

// Start listens and runs the loops; it returns when all of them serve. An
// address that is in use is an error that wraps unix.EADDRINUSE.
func (r *Reactor) Start() (err error) {
	r.started = time.Now().Add(-Tick)
	r.setDate(time.Now())
	fds := r.opt.MaxConns + r.opt.listeners() + 2*reserveFDs
	r.slots = make([]atomic.Uint32, fds)
	if err := widenFDTable(fds); err != nil {
		return fmt.Errorf("netpoll: make room for descriptors: %w", err)
	}
	r.lingers = runtime.GOMAXPROCS(0) > r.opt.Loops
	if err := r.openRings(); err != nil {
		return err
	}
	if r.watcher, err = newWatcher(); err != nil {
		r.closeRings()
		return fmt.Errorf("netpoll: write watcher: %w", err)
	}
	go func() {
		defer close(r.watchDone)
		r.watcher.run(r.onWritable)
	}()
	if r.opt.Unix != "" {
		err = r.startUnix()
	} else {
		err = r.startTCP()
	}
	if err != nil {
		if r.stopGnet != nil {
			_ = r.endLoops()
		}
		r.stopShards()
		r.stopWatcher()
		return err
	}
	r.running = true
	return nil
}

func (r *Reactor) gnetOptions() []gnet.Option {
	return []gnet.Option{
		gnet.WithNumEventLoop(r.opt.Loops),
		gnet.WithReusePort(true),
		gnet.WithReuseAddr(true), // so that connections of an earlier start in TIME_WAIT do not hold the port
		gnet.WithLoadBalancing(gnet.RoundRobin),
		gnet.WithSocketSendBuffer(r.opt.SendBuffer),
		gnet.WithTicker(true),
		gnet.WithLogger(gnetLogger{r.opt.Logger}),
	}
}

func (r *Reactor) startTCP() error {
	probe, host, port, err := reservePort(r.opt.Host, r.opt.Port, r.opt.SharePort)
	if err != nil {
		return err
	}
	defer unix.Close(probe)
	r.port = port
	before, err := listening(port)
	if err != nil {
		return err
	}
	go func() {
		defer close(r.loopsDone)
		addr := "tcp://" + net.JoinHostPort(host, fmt.Sprint(port))
		r.gnetErr = gnet.Rotate((*events)(r), slices.Repeat([]string{addr}, listenersPerLoop(r.opt.Loops)), r.gnetOptions()...)
	}()
	select {
	case <-r.booted:
	case <-r.loopsDone:
		return fmt.Errorf("netpoll: listen on port %d: %w", port, cmp.Or(r.gnetErr, errors.New("event loops ended")))
	}
	r.stopGnet = func() error {
		// Its wait looks twice a second; ours is for Run to return.
		done, cancel := context.WithCancel(context.Background())
		cancel()
		if err := r.engine.Stop(done); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}
	after, err := listening(port)
	if err != nil {
		return err
	}
	for fd := range after {
		if !before[fd] {
			r.listeners = append(r.listeners, fd)
		}
	}
	return r.attachAll(func(nc net.Conn, w *wakeFor) error {
		ctx := gnet.NewNetConnContext(gnet.NewContext(context.Background(), w), nc)
		res, err := r.engine.Register(ctx)
		if err != nil {
			return err
		}
		return (<-res).Err
	})
}

func (r *Reactor) startUnix() error {
	ln, err := listenUnix(r.opt.Unix, os.FileMode(r.opt.UnixMode))
	if err != nil {
		return err
	}
	// A client engine is event loops without listeners: accepting is ours, so
	// that a full descriptor table can not end the engine.
	cli, err := gnet.NewClient((*events)(r), r.gnetOptions()...)
	if err == nil {
		err = cli.Start()
	}
	if err != nil {
		_ = ln.Close()
		return err
	}
	<-r.booted
	r.stopGnet = func() error {
		defer close(r.loopsDone)
		r.gnetErr = cli.Stop()
		return r.gnetErr
	}
	err = r.attachAll(func(nc net.Conn, w *wakeFor) error {
		_, err := cli.EnrollContext(nc, w)
		return err
	})
	if err != nil {
		_ = ln.Close()
		return err
	}
	r.unix = serveUnix(ln, r)
	return nil
}

// wakeFor is the gnet context of a wake socket until it is open: the other end.
type wakeFor struct{ fd int }

// attachAll gives every loop its wake socket. Registered one after the other
// they land on one loop each.
func (r *Reactor) attachAll(register func(net.Conn, *wakeFor) error) error {
	for range r.opt.Loops {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return os.NewSyscallError("socketpair", err)
		}
		for _, fd := range pair {
			unix.CloseOnExec(fd)
			if err := unix.SetNonblock(fd, true); err != nil {
				return os.NewSyscallError("fcntl", err)
			}
		}
		f := os.NewFile(uintptr(pair[0]), "")
		nc, err := net.FileConn(f)
		_ = f.Close()
		if err != nil {
			_ = unix.Close(pair[1])
			return err
		}
		if err := register(nc, &wakeFor{pair[1]}); err != nil {
			_ = unix.Close(pair[1])
			return err
		}
	}
	attached := 0
	for _, s := range *r.shards.Load() {
		s.mu.Lock()
		if s.wakeFD >= 0 {
			attached++
		}
		s.mu.Unlock()
	}
	if attached != r.opt.Loops {
		return fmt.Errorf("netpoll: %d of %d event loops got a wake socket", attached, r.opt.Loops)
	}
	return nil
}

// Port returns the TCP port that is listened on, 0 for a Unix socket.
func (r *Reactor) Port() int { return r.port }

// MaxConns returns the bound on connections that is in force. Any goroutine.
func (r *Reactor) MaxConns() int { return r.opt.MaxConns }

// Loops returns the number of event loops. Any goroutine.
func (r *Reactor) Loops() int { return r.opt.Loops }

// Conns returns the number of connections, plain HTTP included. Any goroutine.
func (r *Reactor) Conns() int { return int(r.conns.Load()) }

// Date returns the value of an HTTP Date header, at most a second old. The
// slice is never changed. Any goroutine.
func (r *Reactor) Date() []byte { return *r.date.Load() }

func (r *Reactor) setDate(t time.Time) {
	b := t.UTC().AppendFormat(nil, "Mon, 02 Jan 2006 15:04:05 GMT")
	r.date.Store(&b)
}

// Done is closed when the loops have ended, by Stop or because gnet failed.
func (r *Reactor) Done() <-chan struct{} { return r.loopsDone }

// shardOf returns the shard of a loop, making it for a loop not seen before.
func (r *Reactor) shardOf(loop gnet.EventLoop) *Shard {
	for _, s := range *r.shards.Load() {
		if s.loop == loop {
			return s
		}
	}
	r.shardsMu.Lock()
	defer r.shardsMu.Unlock()
	old := *r.shards.Load()
	for _, s := range old {
		if s.loop == loop {
			return s
		}
	}
	s := newShard(r, len(old), loop)
	all := append(append([]*Shard(nil), old...), s)
	r.shards.Store(&all)
	return s
}

// tickAll asks every loop to advance its clocks. Any goroutine.
func (r *Reactor) tickAll() {
	for _, s := range *r.shards.Load() {
		s.tickNow()
	}
}

func (r *Reactor) onWritable(h Handle) {
	(*r.shards.Load())[h.shard()].onWritable(h)
}

// Broadcast sends a frame to every open connection. The frame must not change
// any more. receipt may be nil. Any goroutine; does not block. A full loop
// refuses the broadcast for all of them: ErrQueueFull.
func (r *Reactor) Broadcast(f *codec.Frame, receipt *Receipt) error {
	if err := r.fits(f); err != nil {
		return receipt.refuse(err)
	}
	shards := *r.shards.Load()
	for _, s := range shards {
		if s.full(len(f.Plain())) {
			s.refused.Add(1)
			return receipt.refuse(ErrQueueFull)
		}
	}
	receipt.expect(len(shards))
	return r.pushAll(shards, op{kind: opBroadcast, frame: f, receipt: receipt})
}

// pushAll pushes o to every shard; after the check in Broadcast one can still
// turn out full, which is then reported although others took it.
func (r *Reactor) pushAll(shards []*Shard, o op) (err error) {
	for _, s := range shards {
		if e := s.push(o); e != nil {
			o.receipt.finish()
			err = e
		}
	}
	return err
}

func (r *Reactor) fits(f *codec.Frame) error {
	if len(f.Plain()) > r.opt.MaxOutbound {
		return ErrTooLarge
	}
	return nil
}

// Send sends a frame to one connection; one that is gone is no error. receipt
// may be nil. Any goroutine; does not block.
func (r *Reactor) Send(h Handle, f *codec.Frame, receipt *Receipt) error {
	if err := r.fits(f); err != nil {
		return receipt.refuse(err)
	}
	return r.one(op{kind: opSend, h: h, frame: f, receipt: receipt})
}

// SendMany sends a frame to many connections: one operation for each loop. The
// handles are copied. receipt may be nil. Any goroutine; does not block.
func (r *Reactor) SendMany(hs []Handle, f *codec.Frame, receipt *Receipt) error {
	if err := r.fits(f); err != nil {
		return receipt.refuse(err)
	}
	return r.each(hs, op{kind: opSendMany, frame: f, receipt: receipt})
}

// Close closes a connection with a close frame; one that is gone is no error.
// receipt may be nil. Any goroutine; does not block.
func (r *Reactor) Close(h Handle, code codec.CloseCode, reason string, why Cause, receipt *Receipt) error {
	return r.one(op{kind: opClose, h: h, code: code, reason: reason, cause: why, receipt: receipt})
}

// CloseMany is Close for many connections. The handles are copied.
// Any goroutine; does not block.
func (r *Reactor) CloseMany(hs []Handle, code codec.CloseCode, reason string, why Cause, receipt *Receipt) error {
	return r.each(hs, op{kind: opCloseMany, code: code, reason: reason, cause: why, receipt: receipt})
}

// CheckDeadlines judges every connection now. Any goroutine; does not block.
func (r *Reactor) CheckDeadlines(receipt *Receipt) error {
	shards := *r.shards.Load()
	receipt.expect(len(shards))
	return r.pushAll(shards, op{kind: opCall, call: (*Shard).checkNow, receipt: receipt})
}

func (r *Reactor) one(o op) error {
	shards := *r.shards.Load()
	if o.h == 0 || o.h.shard() >= len(shards) {
		o.receipt.expect(0)
		return nil
	}
	o.receipt.expect(1)
	err := shards[o.h.shard()].push(o)
	if err != nil {
		o.receipt.finish()
	}
	return err
}

// split copies handles into one list for each shard; those that name none are
// left out.
func split(hs []Handle, shards int) [][]Handle {
	if shards == 1 {
		return [][]Handle{slices.Clone(hs)}
	}
	parts := make([][]Handle, shards)
	for _, h := range hs {
		if h != 0 && h.shard() < shards {
			parts[h.shard()] = append(parts[h.shard()], h)
		}
	}
	return parts
}

func (r *Reactor) each(hs []Handle, o op) error {
	shards := *r.shards.Load()
	parts := split(hs, len(shards))
	n := 0
	for _, p := range parts {
		if len(p) > 0 {
			n++
		}
	}
	o.receipt.expect(n)
	var err error
	for i, p := range parts {
		if len(p) == 0 {
			continue
		}
		o.many = p
		if e := shards[i].push(o); e != nil {
			o.receipt.finish()
			err = e
		}
	}
	return err
}

// Drain stops accepting, refuses handshakes and closes every connection with
// 1001, spread over the window. It returns when none is left or ctx ends, then
// with ctx's error. Any goroutine, once.
func (r *Reactor) Drain(ctx context.Context, window time.Duration) error {
	r.draining.Store(true)
	if err := r.stopListening(); err != nil {
		r.opt.Logger.Warn("can not stop listening before the loops end", "err", err)
	}
	for _, s := range *r.shards.Load() {
		s.mu.Lock()
		if !s.stopped { // control, not load: past the bound of the queue
			s.queue = append(s.queue, op{kind: opCall, call: func(s *Shard) { s.startDrain(ticks(window)) }})
			s.depth.Add(1)
			s.arm()
		}
		s.mu.Unlock()
	}
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	share := time.NewTicker(Tick) // finer than the period, for an even spread
	defer share.Stop()
	for r.conns.Load() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.loopsDone:
			return nil
		case <-share.C:
			r.tickAll()
		case <-poll.C:
		}
	}
	return nil
}

// Stop closes what is still open, without close frames, and ends the loops; Drain
// comes before it. A reactor that did not start has nothing to stop.
// Any goroutine.
func (r *Reactor) Stop() error {
	r.stopOnce.Do(func() {
		if !r.running {
			return
		}
		if r.unix != nil {
			r.unix.close()
		}
		r.enrolments.close() // while the loops can still finish them
		r.stopErr = r.endLoops()
		r.stopShards()
		r.stopWatcher()
	})
	return r.stopErr
}

// endLoops ends gnet and waits for it.
func (r *Reactor) endLoops() error {
	r.gnetDue.Add(1) // for good
	for _, s := range *r.shards.Load() {
		s.endRest()
	}
	err := r.stopGnet()
	<-r.loopsDone
	return err
}

func (r *Reactor) stopShards() {
	for _, s := range *r.shards.Load() {
		s.stop()
	}
	r.closeRings()
}

func (r *Reactor) stopWatcher() {
	r.watcher.stop()
	<-r.watchDone
	r.watcher.close()
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) }
