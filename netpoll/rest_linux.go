package netpoll

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// restTimer is what a loop rests on: a timer of the kernel's (timerfd_create(2)) that
// Go's network poller waits for, so that a goroutine which rests has no processor and
// wakes alone. While a loop waits in a system call of its own, Go's runtime looks after
// its processor a hundred times a second; one that waits for a timer of Go's wakes a
// second thread with itself, which finds nothing to do.
type restTimer struct {
	file  *os.File // nil: there is none
	fd    int
	ticks [8]byte
}

func (t *restTimer) open() error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("timerfd_create", err)
	}
	t.fd = fd
	t.file = os.NewFile(uintptr(fd), "timerfd")
	return nil
}

func (t *restTimer) close() {
	if t.file != nil {
		_ = t.file.Close()
		t.file = nil
	}
}

// set has the timer be due after d, and forget that it was due before.
func (t *restTimer) set(d time.Duration) {
	_ = unix.TimerfdSettime(t.fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(d.Nanoseconds())}, nil)
}

// wait returns when the timer is due. Loop only.
func (t *restTimer) wait() { _, _ = t.file.Read(t.ticks[:]) }

// end has the timer be due now. Any goroutine, before close.
func (t *restTimer) end() { t.set(1) }
