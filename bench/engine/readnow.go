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
	if cerr := rc.Control(func(fd uintptr) { n, err = readFD(int(fd), b) }); cerr != nil {
		return 0, cerr
	}
	return n, err
}

// readFD is readNow for a descriptor, which does not block.
func readFD(fd int, b []byte) (n int, err error) {
	n, err = unix.Read(fd, b)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return 0, nil
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
