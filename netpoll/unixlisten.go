package netpoll

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"carillon/codec"
)

// listenUnix listens on a Unix socket. The file that a dead process left is
// replaced; one that somebody listens on is an error.
func listenUnix(path string, mode os.FileMode) (*net.UnixListener, error) {
	addr := &net.UnixAddr{Name: path, Net: "unix"}
	if st, err := os.Lstat(path); err == nil {
		if st.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("netpoll: listen on %s: it exists and is no socket", path)
		}
		if nc, err := net.DialUnix("unix", nil, addr); err == nil {
			_ = nc.Close()
			return nil, fmt.Errorf("netpoll: listen on %s: %w", path, unix.EADDRINUSE)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	ln, err := net.ListenUnix("unix", addr)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		_ = ln.Close()
		return nil, err
	}
	return ln, nil
}

// unixListener accepts on a Unix socket and spreads connections over the loops.
type unixListener struct {
	ln   *net.UnixListener
	done chan struct{}
	once sync.Once
}

func serveUnix(ln *net.UnixListener, r *Reactor) *unixListener {
	u := &unixListener{ln: ln, done: make(chan struct{})}
	go u.run(r)
	return u
}

// acceptPause is how long accepting rests when the process or the machine is out
// of descriptors.
const acceptPause = 50 * time.Millisecond

func (u *unixListener) run(r *Reactor) {
	defer close(u.done)
	for i := 0; ; i++ {
		nc, err := u.ln.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			r.opt.Logger.Warn("accept failed, trying again", "err", err)
			time.Sleep(acceptPause)
			continue
		}
		if r.conns.Load() >= int64(r.opt.MaxConns) {
			r.overflows.Add(1)
			_, _ = nc.Write(codec.RejectTooMany.Append(nil, r.Date())) // a new socket takes it
			_ = nc.Close()
			continue
		}
		_ = nc.SetWriteBuffer(r.opt.SendBuffer)
		shards := *r.shards.Load()
		if err := r.enroll(shards[i%len(shards)], nc, nil); err != nil { // one at a time: the backlog is the bound
			_ = nc.Close()
		}
	}
}

func (u *unixListener) close() {
	u.once.Do(func() { _ = u.ln.Close() })
	<-u.done
}
