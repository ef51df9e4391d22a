package systemtest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// crowd is many clients at the least cost: one epoll descriptor, one goroutine,
// frames counted by their bytes.
type crowd struct {
	t    testing.TB
	ep   int
	fds  []int
	got  []int // bytes since the last wait, by client
	at   map[int32]int
	buf  []byte
	evts []unix.EpollEvent
}

func newCrowd(t testing.TB) *crowd {
	t.Helper()
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{t: t, ep: ep, at: make(map[int32]int), buf: make([]byte, 64<<10), evts: make([]unix.EpollEvent, 512)}
	t.Cleanup(c.close)
	return c
}

func (c *crowd) close() {
	for _, fd := range c.fds {
		_ = unix.Close(fd)
	}
	c.fds = nil
	if c.ep >= 0 {
		_ = unix.Close(c.ep)
		c.ep = -1
	}
}

// storm is how many clients connect at the same time.
const storm = 64

// join connects n more clients; of says where each of them connects, and who it is.
func (c *crowd) join(n int, of func(i int) (p *process, user string)) {
	c.t.Helper()
	fds, errs := make([]int, n), make([]error, n)
	var wg sync.WaitGroup
	for k := range storm {
		wg.Go(func() {
			for i := k; i < n; i += storm {
				p, user := of(i)
				fds[i], errs[i] = upgrade(p.addr, user)
			}
		})
	}
	wg.Wait()
	for i, fd := range fds {
		if errs[i] != nil {
			c.t.Errorf("client %d: %v", i, errs[i])
			continue
		}
		c.at[int32(fd)] = len(c.fds)
		c.fds = append(c.fds, fd)
		c.got = append(c.got, 0)
		if err := unix.EpollCtl(c.ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
			c.t.Error(err)
		}
	}
	if c.t.Failed() {
		c.t.FailNow()
	}
}

// upgrade opens a socket and makes it a WebSocket.
func upgrade(addr, user string) (fd int, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return -1, err
	}
	to := unix.SockaddrInet4{}
	copy(to.Addr[:], net.ParseIP(host).To4())
	if to.Port, err = strconv.Atoi(port); err != nil {
		return -1, err
	}
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
	if err = unix.Connect(fd, &to); err != nil {
		return -1, err
	}
	request := fmt.Sprintf("GET /ws?token=t-%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", user)
	if _, err = unix.Write(fd, []byte(request)); err != nil {
		return -1, err
	}
	var answer []byte
	one := make([]byte, 512)
	for !bytes.HasSuffix(answer, []byte("\r\n\r\n")) {
		n, err := unix.Read(fd, one)
		if err != nil || n == 0 {
			return -1, fmt.Errorf("handshake: %q, %w", answer, errors.Join(err, unix.ECONNRESET))
		}
		answer = append(answer, one[:n]...)
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 101")) {
		return -1, fmt.Errorf("handshake: %.80q", answer)
	}
	return fd, unix.SetNonblock(fd, true)
}

// wait reads until all clients together have got total bytes since the last wait.
func (c *crowd) wait(total int) {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	sum := 0
	for _, n := range c.got {
		sum += n
	}
	for sum < total {
		n, err := unix.EpollWait(c.ep, c.evts, 1000)
		if err != nil && !errors.Is(err, unix.EINTR) {
			c.t.Fatal(err)
		}
		for _, e := range c.evts[:max(n, 0)] {
			got, err := unix.Read(int(e.Fd), c.buf)
			if err != nil && !errors.Is(err, unix.EAGAIN) || got == 0 {
				c.t.Fatalf("client %d: read %d, %v", c.at[e.Fd], got, err)
			}
			if got > 0 {
				c.got[c.at[e.Fd]] += got
				sum += got
			}
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("got %d of %d bytes", sum, total)
		}
	}
}

// each checks that every client has got exactly so many bytes since the last call.
func (c *crowd) each(bytes int) {
	c.t.Helper()
	for i, n := range c.got {
		if n != bytes {
			c.t.Fatalf("client %d got %d bytes, want %d", i, n, bytes)
		}
		c.got[i] = 0
	}
}

// heartbeat sends one from every client and waits for the acknowledgements.
func (c *crowd) heartbeat() {
	c.t.Helper()
	frame := []byte{0x81, 0x80 | byte(len(heartbeatText)), 0, 0, 0, 0}
	frame = append(frame, heartbeatText...)
	for i, fd := range c.fds {
		if _, err := unix.Write(fd, frame); err != nil {
			c.t.Fatalf("client %d: %v", i, err)
		}
	}
	ack := 2 + len(ackText)
	c.wait(ack * len(c.fds))
	c.each(ack)
}
