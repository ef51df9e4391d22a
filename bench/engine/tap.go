package engine

import (
	"net"
	"os"
)

// tap is a TCP connection that, once it drips, gives what is there and no more
// than its allowance: what is not there reads as os.ErrDeadlineExceeded, which TLS
// survives.
type tap struct {
	*net.TCPConn
	drips bool
	left  int // the allowance, in bytes
}

func (t *tap) Read(b []byte) (int, error) {
	if !t.drips {
		return t.TCPConn.Read(b)
	}
	if t.left <= 0 {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := readNow(t.TCPConn, b[:min(len(b), t.left)])
	t.left -= n
	if n == 0 && err == nil {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}
