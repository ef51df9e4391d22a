package netpoll

import (
	"os"

	"golang.org/x/sys/unix"
)

// widestTable bounds what widenFDTable makes room for: 8 bytes of kernel memory
// each, 1 MiB.
const widestTable = 1 << 17

// widenFDTable has the kernel make room for so many descriptors now. It doubles
// the table when it is full, and a process with threads waits for an RCU grace
// period then, 8 to 11 ms in which no loop can accept: two of those were in the
// time of a storm from 5,000 connections to 19,000.
func widenFDTable(n int) error {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	defer unix.Close(fd)
	// The table is as long as its highest descriptor ever needed.
	high, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, int(min(uint64(n), lim.Cur, widestTable))-1)
	if err == unix.EMFILE {
		return nil // somebody has the highest one, such as a reactor that starts just now: there is room
	}
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	return os.NewSyscallError("close", unix.Close(high))
}
