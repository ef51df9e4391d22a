//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package netpoll

import (
	"golang.org/x/sys/unix"
)

// watcher tells shards when the socket of a blocked connection takes bytes
// again; see watch_linux.go. kqueue's udata is not portable in x/sys, so handles
// are kept by descriptor.
type watcher struct {
	fd      int
	handles handleMap
	r, w    int // pipe that ends run
}

func newWatcher() (*watcher, error) {
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, err
	}
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	w := &watcher{fd: fd, r: p[0], w: p[1]}
	var ev unix.Kevent_t
	unix.SetKevent(&ev, w.r, unix.EVFILT_READ, unix.EV_ADD)
	if _, err := unix.Kevent(fd, []unix.Kevent_t{ev}, nil, nil); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// watch asks for one notification when fd is writable. Loop only.
func (w *watcher) watch(fd int32, h Handle) error {
	w.handles.put(int(fd), h)
	var ev unix.Kevent_t
	unix.SetKevent(&ev, int(fd), unix.EVFILT_WRITE, unix.EV_ADD|unix.EV_ONESHOT)
	_, err := unix.Kevent(w.fd, []unix.Kevent_t{ev}, nil, nil)
	return err
}

// run calls writable for every connection that can be written to, until stop.
func (w *watcher) run(writable func(Handle)) {
	events := make([]unix.Kevent_t, 256)
	for {
		n, err := unix.Kevent(w.fd, nil, events, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			panic("BUG: kevent of the write watcher: " + err.Error())
		}
		for i := range n {
			fd := int(events[i].Ident)
			if fd == w.r {
				return
			}
			if h, ok := w.handles.take(fd); ok {
				writable(h)
			}
		}
	}
}

// stop ends run.
func (w *watcher) stop() { _, _ = unix.Write(w.w, []byte{1}) }

func (w *watcher) close() {
	_ = unix.Close(w.fd)
	_ = unix.Close(w.r)
	_ = unix.Close(w.w)
}
