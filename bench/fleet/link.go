package fleet

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"carillon/bench/engine"
)

// link is the coordinator's end of one worker.
type link struct {
	name    string // "worker 3", "worker 3 of 10.0.0.7:18100"
	machine int    // index of the run's machines
	rwc     io.ReadWriteCloser
	enc     *gob.Encoder // to rwc; mu guards it

	offset time.Duration // the coordinator's clock less the worker's
	error  time.Duration // bound of what offset is off by

	ticks, missed int64 // of its pacer, at the last collection

	mu   sync.Mutex
	n    int
	wait map[int]chan reply
	err  error
	done chan struct{}
}

// errWorkerGone says that a worker ended before its time.
var errWorkerGone = errors.New("the worker has ended")

func newLink(name string, machine int, rwc io.ReadWriteCloser) *link {
	l := &link{name: name, machine: machine, rwc: rwc, enc: gob.NewEncoder(rwc), wait: make(map[int]chan reply), done: make(chan struct{})}
	go l.read()
	return l
}

// read hands replies to those who wait for them.
func (l *link) read() {
	defer close(l.done)
	dec := gob.NewDecoder(bufio.NewReaderSize(l.rwc, 64<<10))
	for {
		var a reply
		err := dec.Decode(&a)
		l.mu.Lock()
		if err != nil {
			if l.err == nil {
				l.err = errWorkerGone
				if !errors.Is(err, io.EOF) {
					l.err = fmt.Errorf("%w: %w", errWorkerGone, err)
				}
			}
			for n, c := range l.wait {
				close(c)
				delete(l.wait, n)
			}
			l.mu.Unlock()
			return
		}
		c := l.wait[a.N]
		delete(l.wait, a.N)
		l.mu.Unlock()
		if c != nil {
			c <- a
		}
	}
}

// ask sends a request and waits for its reply.
func (l *link) ask(ctx context.Context, r request) (reply, error) {
	fail := func(err error) (reply, error) { return reply{}, fmt.Errorf("%s: %s: %w", l.name, r.Op, err) }
	c := make(chan reply, 1)
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return fail(l.err)
	}
	l.n++
	r.N = l.n
	l.wait[r.N] = c
	err := l.enc.Encode(&r)
	l.mu.Unlock()
	if err != nil {
		return fail(err)
	}
	select {
	case a, ok := <-c:
		switch {
		case !ok:
			return fail(errWorkerGone)
		case a.Error != "":
			return fail(errors.New(a.Error))
		}
		return a, nil
	case <-ctx.Done():
		return fail(ctx.Err())
	}
}

// clockTries is how often a worker of another machine is asked for the time: the
// quickest answer bounds the difference best.
const clockTries = 25

// sync measures the difference of the clocks.
func (l *link) sync(ctx context.Context) error {
	best := time.Duration(-1)
	for range clockTries {
		before := engine.Now()
		a, err := l.ask(ctx, request{Op: opClock})
		if err != nil {
			return err
		}
		after := engine.Now()
		if rtt := time.Duration(after - before); best < 0 || rtt < best {
			best = rtt
			l.offset = time.Duration((before+after)/2 - a.Now)
			l.error = rtt / 2
		}
	}
	return nil
}

// close ends the worker.
func (l *link) close() {
	l.mu.Lock()
	if l.err == nil {
		l.err = errWorkerGone
	}
	l.mu.Unlock()
	_ = l.rwc.Close()
	<-l.done
}
