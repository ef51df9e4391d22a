package netpoll

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// eventPoll looks at gnet's epoll descriptor of one loop.
type eventPoll struct {
	fd     int // 0: not found
	tasks  int // gnet's eventfd, which is edge-triggered
	events [256]unix.EpollEvent
}

func (p *eventPoll) found() bool { return p.fd > 0 }

// event returns the i-th event of the last look: the descriptor, and whether it can
// be read. gnet keeps the descriptor in the event.
func (p *eventPoll) event(i int) (fd int, readable bool) {
	return int(p.events[i].Fd), p.events[i].Events&unix.EPOLLIN != 0
}

// find looks for the epoll descriptor that watches fd. gnet does not tell it, so
// that it is read from the kernel.
func (p *eventPoll) find(fd int) error {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, name := range names {
		n, err := strconv.Atoi(name.Name())
		if err != nil {
			continue
		}
		if target, err := os.Readlink("/proc/self/fd/" + name.Name()); err != nil || target != "anon_inode:[eventpoll]" {
			continue
		}
		info, err := os.ReadFile("/proc/self/fdinfo/" + name.Name())
		if err != nil {
			continue
		}
		if tasks, ok := watches(string(info), fd); ok {
			p.fd, p.tasks = n, tasks
			return nil
		}
	}
	return fmt.Errorf("no epoll descriptor watches descriptor %d", fd)
}

// watches tells whether an epoll descriptor watches fd, by what the kernel says of
// it (proc_pid_fdinfo(5)), and which descriptor it watches edge-triggered.
func watches(info string, fd int) (edge int, ok bool) {
	for line := range strings.Lines(info) {
		var watched int
		var events uint32
		if n, _ := fmt.Sscanf(line, "tfd: %d events: %x", &watched, &events); n < 2 {
			continue
		}
		if watched == fd {
			ok = true
		}
		if events&unix.EPOLLET != 0 {
			edge = watched
		}
	}
	return edge, ok && edge > 0
}

// wait returns the number of events when at least one is there or has come within
// d, or 0; or -1 after a signal, by which Go's scheduler asks for the processor. It
// takes none of them away from gnet: sockets are level-triggered, and the eventfd
// of gnet's tasks is written to once more.
//
// Like rawSend it does not tell Go's scheduler, which would give the processor to
// somebody else.
func (p *eventPoll) wait(d time.Duration) int {
	r, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events)), uintptr(len(p.events)),
		uintptr(d.Milliseconds()), 0, 0)
	if e != 0 {
		if e != unix.EINTR {
			p.fd = 0
		}
		return -1
	}
	n := int(r)
	for i := range p.events[:n] {
		if int(p.events[i].Fd) == p.tasks {
			one := uint64(1)
			_, _ = unix.Write(p.tasks, unsafe.Slice((*byte)(unsafe.Pointer(&one)), 8))
		}
	}
	return n
}

// forget has the kernel watch a descriptor no more, and tells whether it does not.
func (p *eventPoll) forget(fd int32) bool {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, int(fd), nil) == nil
}

// remember has gnet, which is to close a descriptor, find it where it put it.
func (p *eventPoll) remember(fd int32) {
	_ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Fd: fd})
}
