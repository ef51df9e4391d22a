package supervise

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// gated is a writer that can be stopped, as a terminal can.
type gated struct {
	mu   sync.Mutex
	open *sync.Cond
	shut bool
	text bytes.Buffer
}

func newGated() *gated {
	g := &gated{}
	g.open = sync.NewCond(&g.mu)
	return g
}

func (g *gated) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.shut {
		g.open.Wait()
	}
	return g.text.Write(b)
}

func (g *gated) stop(stop bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = stop
	g.open.Broadcast()
}

func (g *gated) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.String()
}

func note(w io.Writer, lines uint64) { fmt.Fprintf(w, "dropped %d\n", lines) }

// TestOutputKeepsLinesWhole has several workers write as fast as they can, and wants each line, whole and in order.
func TestOutputKeepsLinesWhole(t *testing.T) {
	t.Parallel()
	const workers, batches, lines = 4, 200, 20
	g := newGated()
	o := NewOutput(g, note)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for b := range batches {
				var batch []byte
				for l := range lines {
					batch = fmt.Appendf(batch, "%d %d %s\n", w, b*lines+l, strings.Repeat("x", 50))
				}
				o.Put(batch)
			}
		})
	}
	all.Wait()
	o.Close()
	var next [workers]int
	for line := range strings.Lines(g.String()) {
		var w, n int
		var rest string
		if _, err := fmt.Sscanf(line, "%d %d %s\n", &w, &n, &rest); err != nil || len(rest) != 50 || n != next[w] {
			t.Fatalf("got %q, want line %v (%v)", line, next, err)
		}
		next[w]++
	}
	for w, n := range next {
		if n != batches*lines {
			t.Errorf("worker %d: got %d lines, want %d", w, n, batches*lines)
		}
	}
}

// TestOutputWaitsForASlowReader has a reader that takes a batch now and then: nothing is lost,
// whether workers wait for it or a process without any.
func TestOutputWaitsForASlowReader(t *testing.T) {
	t.Parallel()
	for _, put := range []func(*Output, []byte){(*Output).Put, func(o *Output, lines []byte) { _, _ = o.Waiting().Write(lines) }} {
		waitsForASlowReader(t, put)
	}
}

func waitsForASlowReader(t *testing.T, put func(*Output, []byte)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		o := NewOutput(w, note)
		lines := make(chan int)
		go func() {
			n := 0
			buf := make([]byte, 100)
			for {
				k, err := r.Read(buf)
				n += bytes.Count(buf[:k], newline)
				if err != nil {
					lines <- n
					return
				}
				time.Sleep(patience / 2)
			}
		}()
		const want = 3 * queuedBatches
		for range want {
			put(o, []byte("line\n"))
		}
		o.Close()
		o.Close()
		_ = w.Close()
		if got := <-lines; got != want {
			t.Errorf("got %d lines, want %d", got, want)
		}
	})
}

// TestOutputDropsWhenStuck stops the reader: writers wait once, then never, and how much was lost is told.
func TestOutputDropsWhenStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		g.stop(true)
		o := NewOutput(g, note)
		o.Put([]byte("first\n"))
		synctest.Wait() // it is being written
		for range queuedBatches {
			o.Put([]byte("queued\n"))
		}
		began := time.Now()
		if _, err := o.Write([]byte("never waits\n")); err != nil || !time.Now().Equal(began) {
			t.Errorf("Write: %v after %v", err, time.Since(began))
		}
		for range 1000 {
			o.Put([]byte("two\nlines\n"))
		}
		if took := time.Since(began); took != patience {
			t.Errorf("writers waited for %v, want %v", took, patience)
		}
		g.stop(false)
		synctest.Wait()
		o.Put([]byte("last\n"))
		o.Close()
		want := "first\ndropped 2001\n" + strings.Repeat("queued\n", queuedBatches) + "last\n"
		if got := g.String(); got != want {
			t.Errorf("got %d bytes, want %d: %.200q", len(got), len(want), got)
		}
	})
}

// TestOutputWaitsAgainAfterItMoved wants a reader that has come back to be waited for.
func TestOutputWaitsAgainAfterItMoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		o := NewOutput(g, note)
		fill := func() time.Duration {
			g.stop(true)
			o.Put([]byte("a\n"))
			synctest.Wait()
			for range queuedBatches {
				o.Put([]byte("a\n"))
			}
			began := time.Now()
			o.Put([]byte("lost\n"))
			o.Put([]byte("lost\n"))
			took := time.Since(began)
			g.stop(false)
			synctest.Wait()
			return took
		}
		for range 2 {
			if took := fill(); took != patience {
				t.Errorf("waited for %v, want %v", took, patience)
			}
		}
		o.Close()
		if n := strings.Count(g.String(), "dropped 2\n"); n != 2 {
			t.Errorf("got %d notes, want 2", n)
		}
	})
}

func TestOutputCloseGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		g.stop(true)
		o := NewOutput(g, note)
		o.Put([]byte("a\n"))
		began := time.Now()
		o.Close()
		if took := time.Since(began); took < patience || took > 2*patience {
			t.Errorf("Close took %v, want %v", took, patience)
		}
		g.stop(false)
		<-o.done
	})
}
