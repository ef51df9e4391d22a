package netpoll

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"carillon/codec"
)

// TestMaxConns refuses with a 503 and goes on, on TCP and on a Unix socket.
func TestMaxConns(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			h := newTestHandler()
			opt := Options{MaxConns: 5}
			if network == "unix" {
				opt.Unix = filepath.Join(t.TempDir(), "s")
			}
			r := startReactor(t, opt, h)
			addr := opt.Unix
			if addr == "" {
				addr = fmt.Sprintf("127.0.0.1:%d", r.Port())
			}
			dial := func() *rawClient {
				c, err := tryConnect(t, addr, 0)
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			var in []*rawClient
			for range 5 {
				c := dial()
				c.upgrade(upgradeRequest)
				in = append(in, c)
			}
			for range 20 {
				c := dial()
				if got := c.status(); got != 503 {
					t.Fatalf("status %d, want 503", got)
				}
				_ = c.nc.Close()
			}
			in[0].write(closeFrame(1000, ""))
			in[0].expectClose(1000, "")
			_ = in[0].nc.Close()
			waitFor(t, "a place", func() bool { return r.Conns() == 4 })
			in[0] = dial()
			in[0].upgrade(upgradeRequest)
			for _, c := range in {
				c.write(text("on"))
				c.expect("on")
			}
			waitFor(t, "the count", func() bool {
				n := uint64(0)
				for _, s := range r.Stats() {
					n += s.Closed[CauseCapacity]
				}
				return n == 20
			})
		})
	}
}

// TestDescriptorLimit floods a process with a small descriptor limit: it lives,
// keeps those it has, and serves again afterwards.
func TestDescriptorLimit(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			opt := childOptions{Loops: 2, HandshakeTimeout: time.Minute}
			if network == "unix" {
				opt.Unix = filepath.Join(t.TempDir(), "s")
			}
			s := startChild(t, opt, 220)
			addr := opt.Unix
			if addr == "" {
				addr = fmt.Sprintf("127.0.0.1:%d", s.port)
			}
			st := s.do("stat")
			if st.MaxConns < 10 || st.MaxConns > 100 {
				t.Fatalf("MaxConns is %d with 220 descriptors", st.MaxConns)
			}
			first, err := tryConnect(t, addr, 0)
			if err != nil {
				t.Fatal(err)
			}
			first.upgrade(upgradeRequest)
			var flood []net.Conn
			for range 1500 {
				c, err := tryConnect(t, addr, 0)
				if err != nil {
					t.Fatal(err)
				}
				flood = append(flood, c.nc)
			}
			first.write(text("in the flood"))
			first.expect("in the flood")
			if st := s.do("stat"); st.Done || st.Conns > st.MaxConns {
				t.Fatalf("in the flood: %+v", st)
			}
			for _, nc := range flood {
				_ = nc.Close()
			}
			waitFor(t, "the flood to be over", func() bool { return s.do("stat").Conns == 1 })
			c, err := tryConnect(t, addr, 0)
			if err != nil {
				t.Fatal(err)
			}
			c.upgrade(upgradeRequest)
			c.write(text("again"))
			c.expect("again")
		})
	}
}

// TestPorts is two reactors and one port: shared when both want it, refused
// otherwise, free right after the stop.
func TestPorts(t *testing.T) {
	a := startReactor(t, Options{SharePort: true}, newTestHandler())
	if a.Port() == 0 {
		t.Fatal("port 0 is not resolved")
	}
	other := startReactor(t, Options{}, newTestHandler())
	if other.Port() == a.Port() {
		t.Fatalf("two reactors on port 0 share %d", a.Port())
	}
	refused := func() {
		t.Helper()
		r, err := New(Options{Host: "127.0.0.1", Port: a.Port(), Policy: codec.Policy{Path: "/ws"}}, newTestHandler())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Start(); !errors.Is(err, unix.EADDRINUSE) {
			t.Fatalf("a port in use: got %v, want EADDRINUSE", err)
		}
		if err := r.Stop(); err != nil {
			t.Fatalf("stop of one that did not start: %v", err)
		}
	}
	refused()
	b := startChild(t, childOptions{Port: a.Port(), SharePort: true, Loops: 2}, 0)
	waitFor(t, "both processes to have connections", func() bool {
		upgraded(t, a.Port())
		return a.Conns() > 0 && b.do("stat").Conns > 0
	})
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	upgraded(t, a.Port()) // the other process has it
}

// TestPortAgain starts on the port of a reactor that was just stopped with
// connections open, several times.
func TestPortAgain(t *testing.T) {
	port := 0
	for range 5 {
		r := startReactor(t, Options{Port: port}, newTestHandler())
		port = r.Port()
		c := upgraded(t, port)
		c.write(text("x"))
		c.expect("x")
		if err := r.Stop(); err != nil {
			t.Fatal(err)
		}
		c.expectEnd()
	}
}

// TestAnyHost listens on every address with an empty host.
func TestAnyHost(t *testing.T) {
	r, err := New(Options{Loops: 2, Policy: codec.Policy{Path: "/ws"}}, newTestHandler())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Stop() }()
	for range 8 {
		c := upgraded(t, r.Port())
		c.write(text("x"))
		c.expect("x")
	}
}

// TestUnixSocket takes over the file of a dead process and refuses one in use.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	_ = dead.Close()
	r := startReactor(t, Options{Unix: path}, newTestHandler())
	again, err := New(Options{Unix: path, Policy: codec.Policy{Path: "/ws"}}, newTestHandler())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Start(); !errors.Is(err, unix.EADDRINUSE) {
		t.Fatalf("a socket in use: got %v, want EADDRINUSE", err)
	}
	var cs []*rawClient
	for range 10 {
		c, err := tryConnect(t, path, 0)
		if err != nil {
			t.Fatal(err)
		}
		c.upgrade(upgradeRequest)
		cs = append(cs, c)
	}
	if err := r.Broadcast(codec.NewTextString("b"), nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		c.expect("b")
	}
	waitFor(t, "both loops to have their share", func() bool {
		st := r.Stats() // the one that was refused had connected, too
		return st[0].Accepted+st[1].Accepted == 11 && st[0].Accepted >= 5 && st[1].Accepted >= 5
	})
}
