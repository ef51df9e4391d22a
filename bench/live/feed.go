package live

import (
	"errors"
	"sync"
	"time"

	"carillon/bench/report"
)

const (
	// feedLength is how many states may wait for an output that is slow: about
	// four minutes of a run. The oldest goes when there are more.
	feedLength = 256
	// closeWait is how long Close waits for an output that takes nothing.
	closeWait = 2 * time.Second
)

// errStuck says that an output took nothing for closeWait.
var errStuck = errors.New("live: the output does not take what is shown")

// feed hands states over from the run, which must not wait, to an output,
// which may block.
type feed struct {
	mu     sync.Mutex
	closed bool
	queue  chan report.Progress

	done chan struct{} // closed when all is shown
	err  error         // the first error; read it after done

	finish func() error // ends the output, after the last state; may be nil
}

// newFeed starts a goroutine that calls show with each state, until the first
// error, and finish once at the end.
func newFeed(show func(report.Progress) error, finish func() error) *feed {
	f := &feed{queue: make(chan report.Progress, feedLength), done: make(chan struct{}), finish: finish}
	go f.run(show)
	return f
}

func (f *feed) run(show func(report.Progress) error) {
	defer close(f.done)
	for p := range f.queue {
		if f.err == nil {
			f.err = show(p)
		}
	}
	if f.finish != nil {
		f.err = errors.Join(f.err, f.finish())
	}
}

// Show queues a state. It drops the oldest one when the queue is full.
func (f *feed) Show(p report.Progress) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	for {
		select {
		case f.queue <- p:
			return
		default:
		}
		select {
		case <-f.queue:
		default:
		}
	}
}

// Close waits until all is shown, for closeWait at most.
func (f *feed) Close() error {
	f.mu.Lock()
	again := f.closed
	f.closed = true
	f.mu.Unlock()
	if again {
		return nil
	}
	close(f.queue)
	limit := time.NewTimer(closeWait)
	defer limit.Stop()
	select {
	case <-f.done:
		return f.err
	case <-limit.C:
		return errStuck
	}
}
