package engine

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawSend is a non-blocking send(2) behind the scheduler's back: it can not
// block, and telling the scheduler costs more than it is worth.
func rawSend(fd int32, b []byte) (n int, err error) {
	r, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(r), nil
}
