package engine

import (
	"errors"

	"golang.org/x/sys/unix"
)

// maxUnsent is how much a connection may have that the server has not taken,
// beyond what the kernel holds, before messages for it are refused.
const maxUnsent = 256 << 10

// send writes a whole frame to c. It is false when c has too much that the server
// has not taken, or has ended. A connection that breaks on it is ended by its
// loop's next look.
func (s *shard) send(c *conn, frame []byte) bool {
	if c.state == stateClosed {
		return false
	}
	if c.tls != nil {
		return c.tls.send(frame)
	}
	rest := frame
	if buffered := c.gc.OutboundBuffered(); buffered == 0 {
		n, err := rawSend(c.fd, frame)
		if n == len(frame) {
			return true
		}
		if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			if errors.Is(err, unix.ECONNRESET) {
				c.flags.set(flagReset)
			}
			return false // epoll tells the rest
		}
		rest = frame[n:]
	} else if buffered+len(frame) > maxUnsent {
		return false
	}
	// gnet keeps what the kernel does not take, and waits for it to take more.
	_, err := c.gc.Write(rest)
	return err == nil
}
