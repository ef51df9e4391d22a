package engine

import (
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// monotonic returns CLOCK_MONOTONIC at the time now, as it was read just before.
// The smallest of several tries is taken, so that being preempted in between
// does not shift the clock.
func monotonic(now time.Time) int64 {
	best := int64(-1)
	var at int64
	for range 5 {
		before := time.Since(now)
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			return now.UnixNano()
		}
		after := time.Since(now)
		if d := int64(after - before); best < 0 || d < best {
			best, at = d, ts.Nano()-int64(before+after)/2
		}
	}
	return at
}

// sleeper sleeps to within some 20 us, where Go's timers round to a millisecond
// when a process is idle. It belongs to one goroutine.
type sleeper struct{}

// newSleeper ties the goroutine to its thread and asks the kernel not to batch
// the thread's timers with others.
func newSleeper() sleeper {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	return sleeper{}
}

// sleep waits for d; d <= 0 returns at once.
func (sleeper) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	ts := unix.NsecToTimespec(int64(d))
	_, _, _ = syscall.Syscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
}
