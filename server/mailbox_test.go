package server

import (
	"context"
	"testing"
	"time"
)

// TestWorkersComeAndGo: none is there before a message, as many as may when all of
// them are busy, and few are left when nothing is to do. Every job is done.
func TestWorkersComeAndGo(t *testing.T) {
	t.Parallel()
	const most, jobs = 16, 50
	begun, release := make(chan struct{}, jobs), make(chan struct{})
	w := newWorkers(1, jobs, func(context.Context, *job) {
		begun <- struct{}{}
		<-release
	})
	count := func() (running, idle int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.running, w.idle
	}
	for range 2 { // two stand in line before anybody works
		if !w.put(new(mailbox), job{}) {
			t.Fatal("a job was refused")
		}
	}
	if n, _ := count(); n != 0 {
		t.Fatalf("%d workers before the start", n)
	}
	w.start(t.Context(), most)
	for range jobs - 2 {
		if !w.put(new(mailbox), job{}) {
			t.Fatal("a job was refused")
		}
	}
	for range most {
		<-begun
	}
	if n, idle := count(); n != most || idle != 0 {
		t.Errorf("%d workers, %d of them idle, for %d jobs; want %d and 0", n, idle, jobs, most)
	}
	close(release)
	for range jobs - most {
		<-begun
	}
	waitFor(t, "the workers go", func() bool {
		n, idle := count()
		return n == spareWorkers && idle == spareWorkers
	})
	if !w.put(new(mailbox), job{}) {
		t.Fatal("a job was refused")
	}
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := w.close(ctx); err != nil {
		t.Fatal(err)
	}
	if n, _ := count(); n != 0 || w.pending.Load() != 0 {
		t.Errorf("%d workers and %d jobs are left", n, w.pending.Load())
	}
}
