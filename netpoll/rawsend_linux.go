package netpoll

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawSend is a non-blocking send(2) that does not tell Go's scheduler: it cannot
// block, and entering and leaving a system call costs a tenth of a small send.
// n is 0 when err is not nil.
func rawSend(fd int32, b []byte) (n int, err error) {
	r, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(r), nil
}

// rawRecv is rawSend's other direction: a non-blocking recv(2).
func rawRecv(fd int32, b []byte) (n int, err error) {
	r, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_DONTWAIT, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(r), nil
}

// yieldThread lets other threads that want the processor go first (sched_yield(2)).
// Between two slices of a sweep that costs nothing to speak of, and where loops have
// fewer cores than they want they take turns several times in a tick of the
// kernel's scheduler.
func yieldThread() { _, _, _ = syscall.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
