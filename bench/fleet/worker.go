package fleet

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"carillon/bench/engine"
	"carillon/bench/watch"
)

// Work is a worker: it reads requests from in and writes replies to out until in
// ends. It returns when everything it began has ended.
func Work(in io.Reader, out io.Writer) error {
	// Connections are small and many, garbage is little: half the heap's growth
	// costs less than the memory it saves.
	debug.SetGCPercent(50)
	buffered := bufio.NewWriter(out)
	w := &worker{out: buffered, enc: gob.NewEncoder(buffered)}
	dec := gob.NewDecoder(bufio.NewReader(in))
	var asked sync.WaitGroup
	var err error
	for {
		var r request
		if err = dec.Decode(&r); err != nil {
			break
		}
		asked.Go(func() { w.answer(r) })
	}
	// Nobody would miss a worker that does not end, and it could go on sending.
	stuck := time.AfterFunc(workerPatience, func() { panic("BUG: a worker does not end") })
	defer stuck.Stop()
	w.close()
	asked.Wait()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}

// worker is the state of one worker process.
type worker struct {
	mu     sync.Mutex
	engine *engine.Engine
	offset int64 // coordinator's clock less ours
	loops  int
	alone  bool // see loopsAlone
	self   *watch.Self

	wmu sync.Mutex
	out *bufio.Writer
	enc *gob.Encoder // to out
}

// answer carries out one request. Several may be under way: collecting goes on
// while a stage settles.
func (w *worker) answer(r request) {
	a := reply{N: r.N}
	if err := w.do(&r, &a); err != nil {
		a.Error = err.Error()
	}
	w.wmu.Lock()
	defer w.wmu.Unlock()
	_ = w.enc.Encode(&a)
	_ = w.out.Flush() // a coordinator that has gone closes in as well
}

func (w *worker) do(r *request, a *reply) error {
	switch r.Op {
	case opClock:
		a.Now = engine.Now()
		return nil
	case opJob:
		return w.job(r.Job)
	case opMemory:
		a.RSS = residentAfterGC()
		return nil
	case opUsageFrom:
		w.sleepUntil(r.At)
		self := watch.NewSelf()
		self.Begin()
		w.mu.Lock()
		w.self = self
		w.mu.Unlock()
		return nil
	case opUsageTo:
		w.sleepUntil(r.At)
		w.mu.Lock()
		self := w.self
		w.mu.Unlock()
		if self != nil {
			u := self.End()
			a.Usage = &u
		}
		return nil
	case opClose:
		w.close()
		return nil
	}
	w.mu.Lock()
	e := w.engine
	w.mu.Unlock()
	if e == nil {
		return fmt.Errorf("%s before a job", r.Op)
	}
	w.processors(r.Op)
	switch r.Op {
	case opRamp:
		e.Ramp(r.At, r.Want)
	case opState:
		a.Tried, a.Wanted = e.RampState()
	case opTraffic:
		e.Traffic(*r.Stage)
	case opCut:
		e.Cut(r.At)
	case opHeads:
		a.Heads = e.Heads(r.At)
	case opSettle:
		e.Settle(r.Heads, r.At)
	case opCollect:
		a.Samples, a.Lag = e.Collect()
		a.Ticks, a.Dropped = e.Pace()
	case opExtras:
		a.Storms, a.Slow = e.Storms(), e.Slow()
	case opDisconnect:
		e.Disconnect()
	default:
		return fmt.Errorf("unknown request %q", r.Op)
	}
	return nil
}

// job starts an engine.
func (w *worker) job(j *engine.Job) error {
	if j == nil {
		return errors.New("a job without one")
	}
	w.close()
	e, err := engine.New(*j)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.engine, w.offset = e, int64(j.Offset)
	w.loops, w.alone = max(j.Loops, 1), loopsAlone(j)
	return nil
}

func (w *worker) close() {
	w.mu.Lock()
	e := w.engine
	w.engine = nil
	w.mu.Unlock()
	if e != nil {
		e.Close()
	}
}

// sleepUntil waits until t of the coordinator's clock; 0 does not wait.
func (w *worker) sleepUntil(t int64) {
	if t == 0 {
		return
	}
	w.mu.Lock()
	now := engine.Now() + w.offset
	w.mu.Unlock()
	time.Sleep(time.Duration(t - now))
}

// residentAfterGC is the resident memory of this process when it holds no garbage.
func residentAfterGC() int64 {
	debug.FreeOSMemory()
	return watch.Resident()
}
