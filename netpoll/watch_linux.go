package netpoll

import (
	"golang.org/x/sys/unix"
)

// watcher tells shards when the socket of a blocked connection takes bytes
// again. gnet watches for that only while its own outbound buffer is in use,
// which ours replaces. It is one epoll descriptor and one goroutine a process,
// asleep as long as nobody is blocked.
type watcher struct {
	fd   int
	wake int // eventfd that ends run
}

func newWatcher() (*watcher, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	w := &watcher{fd: fd, wake: wake}
	if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, wake, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// watch asks for one notification when fd is writable. The kernel forgets fd
// when it is closed. Loop only.
func (w *watcher) watch(fd int32, h Handle) error {
	ev := unix.EpollEvent{Events: unix.EPOLLOUT | unix.EPOLLONESHOT, Fd: int32(h), Pad: int32(h >> 32)}
	err := unix.EpollCtl(w.fd, unix.EPOLL_CTL_ADD, int(fd), &ev)
	if err == unix.EEXIST {
		err = unix.EpollCtl(w.fd, unix.EPOLL_CTL_MOD, int(fd), &ev)
	}
	return err
}

// run calls writable for every connection that can be written to, until stop.
func (w *watcher) run(writable func(Handle)) {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(w.fd, events, -1)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			panic("BUG: epoll_wait of the write watcher: " + err.Error())
		}
		for i := range n {
			h := Handle(uint32(events[i].Fd)) | Handle(uint32(events[i].Pad))<<32
			if h == 0 {
				return
			}
			writable(h)
		}
	}
}

// stop ends run.
func (w *watcher) stop() {
	_, _ = unix.Write(w.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

func (w *watcher) close() {
	_ = unix.Close(w.fd)
	_ = unix.Close(w.wake)
}
