package netpoll

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sleepOn returns when somebody has changed word, which was value, and has woken who
// sleeps on it (futex(2)); false after limit.
func sleepOn(word *atomic.Uint32, value uint32, limit time.Duration) bool {
	const futexWait = 0 // FUTEX_WAIT of linux/futex.h
	most := unix.NsecToTimespec(limit.Nanoseconds())
	_, _, e := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWait, uintptr(value), uintptr(unsafe.Pointer(&most)), 0, 0)
	return e != unix.ETIMEDOUT
}
