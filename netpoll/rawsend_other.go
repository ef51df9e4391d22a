//go:build !linux

package netpoll

import "golang.org/x/sys/unix"

// rawSend is a non-blocking write(2); gnet made the descriptor non-blocking.
// n is 0 when err is not nil.
func rawSend(fd int32, b []byte) (n int, err error) {
	n, err = unix.Write(int(fd), b)
	return max(n, 0), err
}

// rawRecv is a non-blocking read(2); n is 0 when err is not nil.
func rawRecv(fd int32, b []byte) (n int, err error) {
	n, err = unix.Read(int(fd), b)
	return max(n, 0), err
}

// yieldThread is for Linux alone.
func yieldThread() {}
