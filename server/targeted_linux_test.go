package server

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"carillon/codec"
	"carillon/server/config"
)

const (
	targetedUsers     = 100_000
	targetedSockets   = 8000 // of which each is the session of a dozen users; both ends are of this process
	targetedProducers = 8
	targetedBytes     = 128
)

// BenchmarkTargeted pushes 128 bytes to one user of 100,000 at a time, chosen at
// random, from 8 goroutines; the time ends when the sockets have been read. wakes/op is
// how many writes to the loops' wake sockets a push takes, retries/op how often a
// loop's queue was full. "map" is what servers with a goroutine a connection do, beside
// it: look the connection up under a lock and write to it under its own.
func BenchmarkTargeted(b *testing.B) {
	users := make([]string, targetedUsers)
	for i := range users {
		users[i] = fmt.Sprintf("user-%d", i)
	}
	for _, loops := range []int{1, 2} {
		b.Run(fmt.Sprintf("loops=%d", loops), func(b *testing.B) {
			// As the program does it: see cmd/carillon.
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(loops + 1))
			r := start(b, func(c *config.Config) { c.Server.EventLoops = loops })
			in := startReader(b)
			for i := range targetedSockets {
				in.upgrade(r.Addr(), users[i])
			}
			in.poll()
			deadline := time.Now().Add(testPatience)
			for r.OnlineUserCount() < targetedSockets {
				if time.Now().After(deadline) {
					b.Fatalf("%d users are online", r.OnlineUserCount())
				}
				time.Sleep(time.Millisecond)
			}
			for i, user := range users[targetedSockets:] {
				h, _ := r.users.single(users[i%targetedSockets])
				r.users.add(&session{user: user, handle: h})
			}
			wakes := func() (n uint64) {
				for _, s := range r.reactor.Stats() {
					n += s.Wakes
				}
				return n
			}
			before := wakes()
			var retries atomic.Int64
			in.benchmark(b, users, func(user string, message []byte) error {
				for {
					n, err := r.PushUser(user, message)
					switch {
					case err == nil && n == 1:
						return nil
					case !errors.Is(err, ErrBusy):
						return fmt.Errorf("%s: %d sessions, %w", user, n, err)
					}
					retries.Add(1)
					time.Sleep(time.Millisecond)
				}
			})
			b.ReportMetric(float64(wakes()-before)/float64(b.N), "wakes/op")
			b.ReportMetric(float64(retries.Load())/float64(b.N), "retries/op")
		})
	}
	b.Run("map", func(b *testing.B) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer ln.Close()
		type conn struct {
			sync.Mutex
			net.Conn
		}
		in := startReader(b)
		conns := make([]*conn, targetedSockets)
		for i := range conns {
			in.connect(ln.Addr().String())
			nc, err := ln.Accept()
			if err != nil {
				b.Fatal(err)
			}
			defer nc.Close()
			conns[i] = &conn{Conn: nc}
		}
		in.poll()
		var mu sync.RWMutex
		online := make(map[string]*conn, len(users))
		for i, user := range users {
			online[user] = conns[i%targetedSockets]
		}
		in.benchmark(b, users, func(user string, message []byte) error {
			frame := codec.NewText(message)
			mu.RLock()
			c := online[user]
			mu.RUnlock()
			c.Lock()
			defer c.Unlock()
			_, err := c.Write(frame.Plain())
			return err
		})
	})
}

// benchmark is the timed part: b.N pushes, until everything has arrived.
func (in *reader) benchmark(b *testing.B, users []string, push func(user string, message []byte) error) {
	b.Helper()
	message := []byte(strings.Repeat("x", targetedBytes))
	want := in.got.Load() + int64(b.N*codec.FrameSize(len(message)))
	var next atomic.Int64
	var work sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for i := range targetedProducers {
		work.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			for next.Add(1) <= int64(b.N) {
				if err := push(users[random.IntN(len(users))], message); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	for deadline := time.Now().Add(testPatience); in.got.Load() < want && !b.Failed(); {
		if time.Now().After(deadline) {
			b.Fatalf("%d bytes of %d have not arrived", want-in.got.Load(), want)
		}
		time.Sleep(100 * time.Microsecond)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pushes/s")
}

// reader reads and counts what comes on many sockets, on one thread, at the least cost.
type reader struct {
	b    *testing.B
	ep   int
	fds  []int
	stop chan struct{}
	done sync.WaitGroup
	got  atomic.Int64
}

func startReader(b *testing.B) *reader {
	b.Helper()
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		b.Fatal(err)
	}
	in := &reader{b: b, ep: ep, stop: make(chan struct{})}
	b.Cleanup(func() {
		close(in.stop)
		in.done.Wait()
		for _, fd := range append(in.fds, ep) {
			_ = unix.Close(fd)
		}
	})
	return in
}

// connect opens a socket to address.
func (in *reader) connect(address string) (fd int) {
	in.b.Helper()
	to, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		in.b.Fatal(err)
	}
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		in.b.Fatal(err)
	}
	in.fds = append(in.fds, fd)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}); err != nil {
		in.b.Fatal(err)
	}
	return fd
}

// upgrade opens a session of user.
func (in *reader) upgrade(address, user string) {
	in.b.Helper()
	fd := in.connect(address)
	if _, err := unix.Write(fd, []byte(request("/ws?token=u-"+user))); err != nil {
		in.b.Fatal(err)
	}
	var head [512]byte
	n, err := unix.Read(fd, head[:])
	if s := string(head[:max(n, 0)]); err != nil || !strings.HasPrefix(s, "HTTP/1.1 101 ") || !strings.HasSuffix(s, "\r\n\r\n") {
		in.b.Fatalf("handshake of %s: %q, %v", user, s, err)
	}
}

// poll begins to read what comes from now on.
func (in *reader) poll() {
	in.b.Helper()
	for _, fd := range in.fds {
		if err := unix.SetNonblock(fd, true); err != nil {
			in.b.Fatal(err)
		}
		if err := unix.EpollCtl(in.ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
			in.b.Fatal(err)
		}
	}
	in.done.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		events := make([]unix.EpollEvent, 512)
		buf := make([]byte, 16<<10)
		for {
			select {
			case <-in.stop:
				return
			default:
			}
			n, _ := unix.EpollWait(in.ep, events, 100)
			for _, e := range events[:max(n, 0)] {
				if k, _ := unix.Read(int(e.Fd), buf); k > 0 {
					in.got.Add(int64(k))
				}
			}
		}
	})
}
