//go:build !linux

package engine

import "golang.org/x/sys/unix"

func rawSend(fd int32, b []byte) (n int, err error) {
	if n, err = unix.Write(int(fd), b); err != nil {
		return 0, err
	}
	return n, nil
}
