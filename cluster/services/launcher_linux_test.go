package services

import (
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
)

// TestStarterEnds starts a server from a thread that ends: the server must not.
func TestStarterEnds(t *testing.T) {
	t.Parallel()
	var r *Redis
	var err error
	thread := make(chan int, 1)
	go onMortalThread(func() {
		r, err = StartRedis(t.Context(), RedisOptions{})
		thread <- syscall.Gettid()
	})
	path := "/proc/self/task/" + strconv.Itoa(<-thread)
	if err != nil {
		t.Fatal(err)
	}
	end(t, r)
	waitFor(t, "the thread has ended", func() string {
		if _, err := os.Stat(path); err == nil {
			return path
		}
		return ""
	})
	c := r.Client()
	defer func() { _ = c.Close() }()
	if err := c.Ping(t.Context()).Err(); err != nil || !r.Running() {
		t.Errorf("%v, running %v", err, r.Running())
	}
}

// onMortalThread calls f on a thread that ends with the goroutine: not on the first
// one of the process, which never ends.
func onMortalThread(f func()) {
	runtime.LockOSThread()
	if syscall.Gettid() != syscall.Getpid() {
		f()
		return
	}
	defer runtime.UnlockOSThread()
	done := make(chan struct{})
	go func() {
		defer close(done)
		onMortalThread(f) // this goroutine is in the way on the first thread
	}()
	<-done
}
