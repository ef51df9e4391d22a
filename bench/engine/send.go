package engine

import (
	"errors"

	"golang.org/x/sys/unix"
)

// maxUnsent is how much a connection may have that the server has not taken,
// beyond what the kernel holds, before messages for it are refused.
const maxUnsent = 256 << 10

// send writes a whole frame to c. It is false when c has too much that the server
// has not taken, or has ended, which c.state tells.
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
			s.breakDown(c, err)
			return false
		}
		rest = frame[n:]
	} else if buffered+len(frame) > maxUnsent {
		return false
	}
	// gnet keeps what the kernel does not take, and waits for it to take more.
	_, err := c.gc.Write(rest)
	return err == nil
}

// breakDown ends a connection whose socket turned out to be broken by a send of
// ours: reading it would not tell why any more.
func (s *shard) breakDown(c *conn, err error) {
	if c.state != stateOpen {
		return
	}
	if errors.Is(err, unix.ECONNRESET) {
		c.flags.set(flagReset)
	}
	if s.reading == c {
		return // its loop looks at it next
	}
	_ = s.readRest(c)
	s.ends(c, c.causeOf(err))
	s.drop(c)
}

// readRest reads what the server had sent before the connection broke: its close
// frame may be in it.
func (s *shard) readRest(c *conn) (err error) {
	held, _ := c.gc.Peek(-1)
	b := append([]byte(nil), held...)
	chunk := make([]byte, 16<<10)
	for n := 1; c.state == stateOpen && n > 0 && err == nil; {
		n, err = readFD(int(c.fd), chunk)
		b = append(b, chunk[:n]...)
		b = b[s.feed(c, b):]
	}
	return err
}

// causeOf names why c ended with err.
func (c *conn) causeOf(err error) string {
	if c.flags.has(flagReset) {
		err = unix.ECONNRESET // the send that met it took the error away
	}
	return causeOf(err)
}
