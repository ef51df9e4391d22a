package netpoll

import "golang.org/x/sys/unix"

// HoldPort takes a TCP port without listening on it: until release is called
// nobody else gets it, while other processes of the same user can listen on it
// with Options.SharePort. It gets no connections itself. Port 0 takes a free one;
// bound is the one taken. Without share a port on which somebody listens is an
// error that wraps unix.EADDRINUSE.
func HoldPort(host string, port int, share bool) (bound int, release func(), err error) {
	fd, _, bound, err := reservePort(host, port, share)
	if err != nil {
		return 0, nil, err
	}
	return bound, func() { _ = unix.Close(fd) }, nil
}
