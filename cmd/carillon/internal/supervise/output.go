package supervise

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// queuedBatches bounds what waits for the output: at 64 KiB a batch, the size of
	// a worker's pipe, 4 MiB.
	queuedBatches = 64
	// patience is how long a worker's lines wait for an output that does not move.
	// After that they are dropped, so that an output which nobody reads, such as a
	// stopped terminal, does not stop the workers.
	patience = time.Second
)

// Output is where the lines of all workers, or those of a process without any, meet. Each batch of whole lines leaves
// in one write. A reader that is slow slows the writers down; one that has stopped
// costs lines, which are counted.
type Output struct {
	w        io.Writer
	dropping func(w io.Writer, lines uint64)
	batches  chan []byte
	closing  chan struct{}
	once     sync.Once // of closing
	done     chan struct{}
	stuck    atomic.Bool // nothing moves: no batch waits any more
	dropped  atomic.Uint64
}

// NewOutput writes to w until Close. dropping writes a note to w of how many lines
// were dropped, when w moves again.
func NewOutput(w io.Writer, dropping func(w io.Writer, lines uint64)) *Output {
	o := &Output{
		w: w, dropping: dropping, batches: make(chan []byte, queuedBatches),
		closing: make(chan struct{}), done: make(chan struct{}),
	}
	go o.run()
	return o
}

// Put passes whole lines on; they are the output's from then on. It waits for a
// reader that is slow. Any goroutine.
func (o *Output) Put(lines []byte) {
	select {
	case o.batches <- lines:
		return
	default:
	}
	if !o.stuck.Load() {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case o.batches <- lines:
			return
		case <-timer.C:
			o.stuck.Store(true)
		}
	}
	o.drop(lines)
}

// Write copies whole lines and never waits: for the supervisor itself, which has
// to go on in any case. Any goroutine.
func (o *Output) Write(lines []byte) (int, error) {
	select {
	case o.batches <- bytes.Clone(lines):
	default:
		o.drop(lines)
	}
	return len(lines), nil
}

// Waiting is a Writer that copies whole lines and waits as Put does: for a process
// without workers, all of whose lines are its own and whose bursts are to arrive.
func (o *Output) Waiting() io.Writer { return waiting{o} }

type waiting struct{ o *Output }

func (w waiting) Write(lines []byte) (int, error) {
	w.o.Put(bytes.Clone(lines))
	return len(lines), nil
}

func (o *Output) drop(lines []byte) { o.dropped.Add(uint64(bytes.Count(lines, newline))) }

// Close writes what waits and ends the output, after the last Put and Write. It
// gives up when nothing moves for a while. Any goroutine, also more than once.
func (o *Output) Close() {
	o.once.Do(func() { close(o.closing) })
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		before := len(o.batches)
		select {
		case <-o.done:
			return
		case <-timer.C:
			if len(o.batches) == before {
				return
			}
			timer.Reset(patience)
		}
	}
}

func (o *Output) run() {
	defer close(o.done)
	for {
		select {
		case lines := <-o.batches:
			o.write(lines)
		case <-o.closing:
			for {
				select {
				case lines := <-o.batches:
					o.write(lines)
				default:
					return
				}
			}
		}
	}
}

func (o *Output) write(lines []byte) {
	_, _ = o.w.Write(lines) // where would an error be told?
	o.stuck.Store(false)
	if n := o.dropped.Swap(0); n > 0 {
		o.dropping(o.w, n)
	}
}
