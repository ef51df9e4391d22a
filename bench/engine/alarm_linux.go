package engine

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// alarm wakes a loop at a given time, to some 20 us: a timer of the kernel that
// the loop waits for as it waits for its sockets, so that no other thread has to
// run when an operation is due. Loop only, but for open and close.
type alarm struct {
	at     int64 // when it goes off, by the coordinator's clock; never: it does not
	fd     int   // timerfd_create(2); 0: not open
	offset int64 // the coordinator's clock less the kernel's
}

type alarmMark struct{}

// alarmContext is the gnet context of an alarm.
var alarmContext any = alarmMark{}

// open gives a shard its alarm. gnet takes sockets only, and reads them as it
// reads any descriptor; so the timer goes into the place of one.
func (a *alarm) open(s *shard) error {
	a.at, a.offset = never, int64(s.e.job.Offset)
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("timerfd_create: %w", err)
	}
	a.fd = timer
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	defer unix.Close(fds[0])
	f := os.NewFile(uintptr(fds[1]), "alarm")
	nc, err := net.FileConn(f)
	_ = f.Close()
	if err != nil {
		return err
	}
	rc, err := nc.(*net.UnixConn).SyscallConn()
	if err == nil {
		cerr := rc.Control(func(fd uintptr) { err = unix.Dup3(timer, int(fd), unix.O_CLOEXEC) })
		if err == nil {
			err = cerr
		}
	}
	if err != nil {
		_ = nc.Close()
		return fmt.Errorf("alarm: %w", err)
	}
	if _, err := s.client.EnrollContext(nc, alarmContext); err != nil {
		return err
	}
	s.post(func() {}) // the first run sets it
	return nil
}

// set makes it go off at t, or at once when that has passed, and at no other time.
func (a *alarm) set(t int64) {
	if t == a.at {
		return
	}
	a.at = t
	var spec unix.ItimerSpec // zero stops it
	if t < never {
		spec.Value = unix.NsecToTimespec(max(t-a.offset, 1))
	}
	_, _, _ = syscall.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(a.fd), unix.TFD_TIMER_ABSTIME, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
}

// close gives it up. The loop has ended.
func (a *alarm) close() {
	if a.fd > 0 {
		_ = unix.Close(a.fd)
		a.fd = 0
	}
}
