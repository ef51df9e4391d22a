package engine

import (
	"errors"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// readNow reads what is there and does not wait: nothing there is 0 and no
// error, the end is io.EOF.
func readNow(nc *net.TCPConn, b []byte) (n int, err error) {
	rc, err := nc.SyscallConn()
	if err != nil {
		return 0, err
	}
	var rerr error
	err = rc.Control(func(fd uintptr) {
		n, rerr = unix.Read(int(fd), b)
	})
	switch {
	case err != nil:
		return 0, err
	case errors.Is(rerr, unix.EAGAIN), errors.Is(rerr, unix.EINTR):
		return 0, nil
	case rerr != nil:
		return 0, rerr
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
