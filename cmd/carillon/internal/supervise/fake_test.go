package supervise

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fakeWorker is a worker without a process.
type fakeWorker struct {
	serving chan struct{}
	exit    chan Exit
	deaf    bool // does not drain
	once    sync.Once

	drained, killed time.Time
}

func newFakeWorker() *fakeWorker {
	return &fakeWorker{serving: make(chan struct{}), exit: make(chan Exit, 1)}
}

func (w *fakeWorker) end(e Exit) { w.once.Do(func() { w.exit <- e }) }

func (w *fakeWorker) Serving() <-chan struct{} { return w.serving }
func (w *fakeWorker) Wait() Exit               { return <-w.exit }

func (w *fakeWorker) Drain() {
	w.drained = time.Now()
	if !w.deaf {
		w.end(Exit{})
	}
}

func (w *fakeWorker) Kill() {
	w.killed = time.Now()
	w.end(Exit{Signal: syscall.SIGKILL})
}

// start is the start of a fake worker.
type start struct {
	worker int
	at     time.Time
	*fakeWorker
}

// scene is a Run with fake workers, in a bubble of synctest.
type scene struct {
	drain  func()
	kill   chan struct{}
	result chan Outcome

	mu     sync.Mutex
	starts []start
	served int // calls of OnServing
}

var errNoStart = errors.New("no such program")

// run starts workers that behave as life says: it gets each before it is started; false is a start that fails.
func run(t *testing.T, workers []string, life func(n int, s start) bool) *scene {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	sc := &scene{drain: cancel, kill: make(chan struct{}), result: make(chan Outcome, 1)}
	opt := Options{
		Workers: workers, StartWindow: time.Minute, DrainTimeout: 10 * time.Second, Logger: slog.New(slog.DiscardHandler),
		Final: func(e Exit) bool { return e.Code == 3 },
		OnServing: func() {
			sc.mu.Lock()
			defer sc.mu.Unlock()
			sc.served++
		},
		Start: func(i int) (Process, error) {
			sc.mu.Lock()
			defer sc.mu.Unlock()
			s := start{i, time.Now(), newFakeWorker()}
			n := 0
			for _, before := range sc.starts {
				if before.worker == i {
					n++
				}
			}
			sc.starts = append(sc.starts, s)
			if !life(n, s) {
				return nil, errNoStart
			}
			return s.fakeWorker, nil
		},
	}
	go func() { sc.result <- Run(ctx, sc.kill, opt) }()
	return sc
}

// of is the starts of one worker.
func (sc *scene) of(worker int) (starts []start) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	for _, s := range sc.starts {
		if s.worker == worker {
			starts = append(starts, s)
		}
	}
	return starts
}

func (sc *scene) servedTimes() int {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.served
}

func serves(_ int, s start) bool {
	close(s.serving)
	return true
}
