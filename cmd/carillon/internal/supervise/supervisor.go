package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// ErrNeverServed means that no worker has served within Options.StartWindow.
var ErrNeverServed = errors.New("no worker has come to serve")

// Process is a worker that was started.
type Process interface {
	// Serving is closed once the worker serves.
	Serving() <-chan struct{}
	// Drain tells the worker to end when its clients have gone. It does not block.
	Drain()
	// Kill ends the worker at once.
	Kill()
	// Wait returns when the worker has ended and all it wrote was passed on. It is
	// called once.
	Wait() Exit
}

// Options say what is run, and how long things may take.
type Options struct {
	// Workers are the names of the workers.
	Workers []string
	// Start starts worker number i, counted from 0. Any goroutine.
	Start func(i int) (Process, error)
	// Final tells of an exit that starting again would not change: then every
	// worker is ended. A worker that could not be started is not asked about, nor
	// is any once all have served: they could do so with what they were given, so
	// that what keeps one from it later may pass, and the others have clients.
	Final func(Exit) bool
	// OnServing is called once, when all workers serve for the first time.
	OnServing func()
	// StartWindow is the time within which some worker has to serve. After that
	// the supervisor never gives up.
	StartWindow time.Duration
	// DrainTimeout is how long a worker may take to drain before it is killed.
	DrainTimeout time.Duration
	Logger       *slog.Logger
}

// Outcome is how it all ended.
type Outcome struct {
	// Err is nil when the context ended it, else a [*FinalError], or ErrNeverServed.
	Err error
	// Exits are those of the workers that ran when the end began.
	Exits []Exit
}

// supervisor is the state of one Run.
type supervisor struct {
	opt  Options
	stop context.CancelCauseFunc
	kill <-chan struct{}

	mu       sync.Mutex
	serving  map[int]bool
	complete bool // all have served at the same time
	exits    []Exit

	begun chan struct{} // closed when the first worker serves
	once  sync.Once     // of begun
}

// Run runs the workers until ctx ends and they have drained, all at once. It also
// ends them when one of them ends in a final way before all have served, or none
// comes to serve. When kill is closed, which is to be after the end of ctx, they
// are killed. It returns when all have ended.
func Run(ctx context.Context, kill <-chan struct{}, opt Options) Outcome {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s := &supervisor{opt: opt, stop: stop, kill: kill, serving: make(map[int]bool), begun: make(chan struct{})}
	var all sync.WaitGroup
	all.Go(func() { s.watchStart(ctx) })
	for i := range opt.Workers {
		all.Go(func() { s.tend(ctx, i) })
	}
	all.Wait()
	out := Outcome{Exits: s.exits}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		out.Err = cause
	}
	return out
}

// watchStart ends everything when no worker serves in time.
func (s *supervisor) watchStart(ctx context.Context) {
	timer := time.NewTimer(s.opt.StartWindow)
	defer timer.Stop()
	select {
	case <-s.begun:
	case <-ctx.Done():
	case <-timer.C:
		s.stop(fmt.Errorf("%w within %v", ErrNeverServed, s.opt.StartWindow))
	}
}

// tend keeps worker i running until ctx ends.
func (s *supervisor) tend(ctx context.Context, i int) {
	log := s.opt.Logger.With("worker", s.opt.Workers[i])
	restarts := newRestarts()
	for ctx.Err() == nil {
		began := time.Now()
		exit, ran := s.life(ctx, i, log)
		lived := time.Since(began)
		s.setServing(i, false)
		switch {
		case ctx.Err() != nil:
			if ran {
				s.ended(exit, log)
			}
			return
		case ran && !s.haveServed() && s.opt.Final(exit):
			log.Error("worker ended, and starting it again would not help: ending all", "how", exit.String(), "lived", lived.Round(time.Millisecond))
			s.stop(&FinalError{exit})
			return
		}
		delay := restarts.after(lived)
		level := slog.LevelError
		if exit.Clean() { // somebody asked it to
			level = slog.LevelWarn
		}
		log.Log(ctx, level, "worker ended, starting it again", "how", exit.String(), "lived", lived.Round(time.Millisecond), "delay", delay.Round(time.Millisecond))
		if !pause(ctx, delay) {
			return
		}
	}
}

// life runs worker i once. ran is false when it could not be started.
func (s *supervisor) life(ctx context.Context, i int, log *slog.Logger) (exit Exit, ran bool) {
	p, err := s.opt.Start(i)
	if err != nil {
		return Exit{Worker: s.opt.Workers[i], Err: err}, false
	}
	ended := make(chan Exit, 1)
	go func() { ended <- p.Wait() }()
	serving, stopped, kill := p.Serving(), ctx.Done(), s.kill
	var late <-chan time.Time
	for {
		select {
		case <-serving:
			serving = nil
			s.setServing(i, true)
		case <-stopped:
			stopped = nil
			p.Drain()
			timer := time.NewTimer(s.opt.DrainTimeout)
			defer timer.Stop()
			late = timer.C
		case <-late:
			late, exit.Late = nil, true
			log.Error("worker did not drain in time, killing it", "timeout", s.opt.DrainTimeout)
			p.Kill()
		case <-kill:
			kill = nil
			p.Kill()
		case e := <-ended:
			e.Worker, e.Late = s.opt.Workers[i], exit.Late
			return e, true
		}
	}
}

// setServing notes whether worker i serves.
func (s *supervisor) setServing(i int, serves bool) {
	s.mu.Lock()
	if serves {
		s.serving[i] = true
		s.once.Do(func() { close(s.begun) })
	} else {
		delete(s.serving, i)
	}
	complete := len(s.serving) == len(s.opt.Workers) && !s.complete
	s.complete = s.complete || complete
	s.mu.Unlock()
	if complete {
		s.opt.OnServing()
	}
}

// haveServed tells whether all have served at the same time.
func (s *supervisor) haveServed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.complete
}

// ended notes how a worker ended that was told to.
func (s *supervisor) ended(exit Exit, log *slog.Logger) {
	if !exit.Clean() {
		log.Error("worker ended badly", "how", exit.String())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exits = append(s.exits, exit)
}

// pause waits; false means that ctx ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
