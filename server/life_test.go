package server

import (
	"errors"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"carillon/server/config"
)

// TestDrainSpreadsCloses: connections are refused at once, sessions are told
// one after the other over the window, and Run returns nil.
func TestDrainSpreadsCloses(t *testing.T) {
	const sessions = 60
	const window = 1500 * time.Millisecond
	r := start(t, func(cfg *config.Config) { cfg.Server.DrainWindow = window })
	closed := make([]time.Duration, sessions)
	var began time.Time
	var wg sync.WaitGroup
	starting := make(chan struct{})
	for i := range sessions {
		c := r.connect(t, "u")
		wg.Go(func() {
			<-starting
			readClose(t, c, 1001, "server shutting down")
			closed[i] = time.Since(began)
			_ = c.Close()
		})
	}
	addr := r.Addr()
	stopped := make(chan error, 1)
	began = time.Now()
	close(starting)
	go func() { stopped <- r.stop() }()
	waitFor(t, "the port to be closed", func() bool {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			_ = nc.Close()
		}
		return errors.Is(err, unix.ECONNREFUSED)
	})
	if n := r.SessionCount(); n == 0 {
		t.Error("the port was closed only after the last session")
	}
	if err := r.Ready(); err == nil {
		t.Error("ready while draining")
	}
	wg.Wait()
	if err := <-stopped; err != nil {
		t.Fatalf("run: %v", err)
	}
	late := 0
	for _, d := range closed {
		if d > window/2 {
			late++
		}
		if d > window+5*time.Second {
			t.Errorf("a session was told after %v", d)
		}
	}
	if late < sessions/4 {
		t.Errorf("%d of %d sessions were told in the second half of the window, want about half", late, sessions)
	}
	if _, err := r.PushUser("u", []byte("x")); !errors.Is(err, ErrClosing) {
		t.Errorf("push after the end: %v, want ErrClosing", err)
	}
}

// TestDrainCutsWhoDoesNotAnswer: a client that ignores the close frame is cut
// after websocket.close-timeout, which is no fault of the shutdown.
func TestDrainCutsWhoDoesNotAnswer(t *testing.T) {
	r := start(t, func(cfg *config.Config) { cfg.WebSocket.CloseTimeout = 200 * time.Millisecond })
	c := dialRaw(t, r)
	c.upgrade("deaf")
	c.heartbeat()
	if err := r.stop(); err != nil {
		t.Fatalf("run: %v", err)
	}
	c.expectClose(1001, "server shutting down")
}

// TestShutdownTimeout cuts what is still there and says so.
func TestShutdownTimeout(t *testing.T) {
	told := make(chan struct{})
	r := start(t, func(cfg *config.Config) {
		cfg.Server.ShutdownTimeout = time.Second
		cfg.WebSocket.CloseTimeout = time.Minute
	}, func(s *Server) {
		s.Handle("HOLD", holdUntilDone(told))
	})
	c := dialRaw(t, r)
	c.upgrade("deaf")
	c.text(`{"type":"BIZ","code":"HOLD"}`)
	c.heartbeat()
	began := time.Now()
	if err := r.stop(); !errors.Is(err, ErrDrainTimeout) {
		t.Fatalf("run: %v, want ErrDrainTimeout", err)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("gave up after %v, before the timeout", took)
	}
	if took := time.Since(began); took > testPatience/2 {
		t.Errorf("gave up after %v, long after the timeout", took)
	}
	<-told // the handler, by its context
	c.expectClose(1001, "*")
}

// TestRequestsFinishAtDrain: who has begun a request gets its answer, and a load
// balancer that asks is told to go elsewhere.
func TestRequestsFinishAtDrain(t *testing.T) {
	r := start(t, nil)
	begin := func(head string) *rawConn {
		c := dialRaw(t, r)
		c.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if res, _ := c.response(); res.StatusCode != 200 {
			t.Fatal(res.Status)
		}
		c.send(head + " HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
		if res, body := c.response(); res.StatusCode != 100 {
			t.Fatalf("%s: %s %s, want 100", head, res.Status, body)
		}
		return c
	}
	count, ready := begin("POST /websocket/kick/user/nobody"), begin("GET /readyz")
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	waitFor(t, "the drain", func() bool { return r.Ready() != nil })
	ready.send("{}")
	if res, body := ready.response(); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "draining") {
		t.Errorf("readyz while draining: %s %s", res.Status, body)
	}
	select {
	case err := <-stopped:
		t.Fatalf("run ended with %v while a request was under way", err)
	default:
	}
	count.send("{}")
	if res, body := count.response(); res.StatusCode != 200 {
		t.Errorf("request under way: %s %s", res.Status, body)
	}
	if err := <-stopped; err != nil {
		t.Fatalf("run: %v", err)
	}
	count.expectEOF()
	ready.expectEOF()
}

// TestShutdownTimeoutOfHTTP: a request that does not come to its end is cut at
// the timeout, and nothing is served after Run.
func TestShutdownTimeoutOfHTTP(t *testing.T) {
	r := start(t, func(cfg *config.Config) { cfg.Server.ShutdownTimeout = time.Second })
	c := dialRaw(t, r)
	c.send("POST /websocket/kick/user/nobody HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	if res, body := c.response(); res.StatusCode != 100 {
		t.Fatalf("%s %s, want 100", res.Status, body)
	}
	if err := r.stop(); !errors.Is(err, ErrDrainTimeout) {
		t.Fatalf("run: %v, want ErrDrainTimeout", err)
	}
	c.expectEOF()
}

// TestPartOfARequestDoesNotHoldUpTheEnd: who sends a part and no more is cut after
// a while, who waits for an answer is not.
func TestPartOfARequestDoesNotHoldUpTheEnd(t *testing.T) {
	for name, part := range map[string]string{
		"head": "POST /websocket/broadcast HTTP/1.1\r\nHost: loc",
		"body": "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345",
		"long": "POST /websocket/broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat(" ", 50_000),
		"left": "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat(" ", 50_000), // nobody reads it
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(cfg *config.Config) { cfg.Server.ShutdownTimeout = time.Hour }, func(s *Server) {
				s.web.grace = 50 * time.Millisecond
			})
			answering := func() (n int) {
				r.web.mu.Lock()
				defer r.web.mu.Unlock()
				for _, c := range r.web.open {
					if c.since.IsZero() {
						n++
					}
				}
				return n
			}
			waits, stuck := dialRaw(t, r), dialRaw(t, r)
			waits.send("GET /debug/pprof/profile?seconds=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
			waitFor(t, "the profile to be taken", func() bool { return answering() == 1 })
			stuck.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
			stuck.response()
			stuck.send(part)
			if name == "left" {
				stuck.response()
			}
			waitFor(t, "the part", func() bool { return answering() == 1 })
			stopped := make(chan error, 1)
			go func() { stopped <- r.stop() }()
			stuck.expectEOF()
			if res, body := waits.response(); res.StatusCode != 200 || len(body) == 0 {
				t.Errorf("who waited got %s, %d bytes", res.Status, len(body))
			}
			if err := <-stopped; err != nil {
				t.Errorf("run: %v", err)
			}
		})
	}
}

// TestNoConnectionIsLostAtTheEnd: one that the HTTP server was offered and took is
// accepted, however close to the end; a place that is never given back would
// hold up the drain.
func TestNoConnectionIsLostAtTheEnd(t *testing.T) {
	t.Parallel()
	for range 2000 {
		o := newOffered()
		var taken, accepted atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 8 {
					if nc, _ := net.Pipe(); o.offer(nc) {
						taken.Add(1)
					}
				}
			})
		}
		wg.Go(func() {
			for {
				if _, err := o.Accept(); err != nil {
					return
				}
				accepted.Add(1)
			}
		})
		wg.Go(func() { _ = o.Close() })
		wg.Wait()
		if taken.Load() != accepted.Load() {
			t.Fatalf("%d connections were taken, %d accepted", taken.Load(), accepted.Load())
		}
	}
}

// TestHTTPFinishesAtDrain: idle HTTP connections do not hold up the end.
func TestHTTPFinishesAtDrain(t *testing.T) {
	r := start(t, nil)
	c := dialRaw(t, r)
	c.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if res, _ := c.response(); res.StatusCode != 200 {
		t.Fatal(res.Status)
	}
	began := time.Now()
	if err := r.stop(); err != nil {
		t.Fatalf("run: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("an idle connection held up the end for %v", took)
	}
	c.expectEOF()
}

// TestEventLoopsEnd: when the loops end by themselves Run says so, and does not
// wait for ever for a handler that waits for its context, so that a supervisor
// can start the process again.
func TestEventLoopsEnd(t *testing.T) {
	r, c, told := startHolding(t)
	c.heartbeat()
	if err := r.Ready(); err != nil {
		t.Errorf("not ready while it serves: %v", err)
	}
	_ = r.reactor.Stop()
	waitFor(t, "the server to notice", func() bool { return !r.running.Load() })
	if err := r.Ready(); err == nil {
		t.Error("ready without event loops")
	}
	ended := make(chan error, 1)
	go func() { ended <- r.stop() }()
	select {
	case err := <-ended:
		if !errors.Is(err, errLoopsEnded) {
			t.Errorf("run: %v, want errLoopsEnded", err)
		}
	case <-time.After(testPatience):
		r.stopHandlers()
		<-ended
		t.Fatal("run waits for a handler that waits for run")
	}
	<-told
	if n := r.SessionCount(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	if _, err := r.PushUser("ann", []byte("x")); !errors.Is(err, ErrClosing) {
		t.Errorf("push: %v, want ErrClosing", err)
	}
}

// TestNotReadyBeforeTheAddress: admin.listen answers before the port is open to
// clients, and must not send any there.
func TestNotReadyBeforeTheAddress(t *testing.T) {
	srv, err := New(config.Default(), Options{Verifier: testVerifier{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Ready(); err == nil {
		t.Error("ready before Run")
	}
	srv.running.Store(true) // as Run does before it listens
	if err := srv.Ready(); err == nil {
		t.Error("ready without an address")
	}
}

func TestAddressInUse(t *testing.T) {
	r := start(t, nil)
	_, port, _ := net.SplitHostPort(r.Addr())
	cfg := config.Default()
	cfg.Server.Address = "127.0.0.1"
	cfg.Server.Port, _ = strconv.Atoi(port)
	other, err := New(cfg, Options{Verifier: testVerifier{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Run(t.Context()); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("run: %v, want EADDRINUSE", err)
	}
	if err := other.Run(t.Context()); err == nil || errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("second run: %v, want an error of its own", err)
	}
}

// TestSharedPort: two gateways on one port both get connections.
func TestSharedPort(t *testing.T) {
	share := func(port int) func(*config.Config) {
		return func(cfg *config.Config) {
			cfg.Server.ReusePort = true
			cfg.Server.Port = port
		}
	}
	a := start(t, share(0))
	_, port, _ := net.SplitHostPort(a.Addr())
	n, _ := strconv.Atoi(port)
	b := start(t, share(n))
	for i := 0; a.SessionCount() == 0 || b.SessionCount() == 0; i++ {
		if i == 200 {
			t.Fatalf("of 200 connections %d and %d were served", a.SessionCount(), b.SessionCount())
		}
		a.connect(t, "u")
	}
}

// TestConnectionLimit: what is over server.max-connections is refused with 503,
// and a place that becomes free is given again.
func TestConnectionLimit(t *testing.T) {
	r := start(t, func(cfg *config.Config) { cfg.Server.MaxConnections = 5 })
	var conns []*rawConn
	for range 5 {
		c := dialRaw(t, r)
		c.upgrade("full")
		conns = append(conns, c)
	}
	for range 20 {
		c := dialRaw(t, r)
		if res, _ := c.response(); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
			t.Fatalf("got %s %v, want 503 with Retry-After", res.Status, res.Header)
		}
		c.expectEOF()
	}
	conns[0].writeFrame(true, 0, ws.OpClose, closePayload(1000, ""))
	conns[0].expectClose(1000, "")
	_ = conns[0].Close()
	waitFor(t, "a place", func() bool { return r.reactor.Conns() == 4 })
	dialRaw(t, r).upgrade("again")
	for _, c := range conns[1:] {
		c.heartbeat()
	}
}

// TestChurnLeavesNothing connects and disconnects many sessions in every way;
// then index, descriptors, goroutines and heap are back where they were.
func TestChurnLeavesNothing(t *testing.T) {
	r := start(t, nil)
	churn := func(n int) {
		for i := range n {
			c := dialRaw(t, r)
			c.upgrade("churn" + strconv.Itoa(i%7))
			switch i % 4 {
			case 0:
				c.heartbeat()
			case 1:
				c.writeFrame(false, 0, ws.OpText, []byte("half a message"))
			case 2:
				c.writeFrame(true, 0, ws.OpClose, closePayload(1000, ""))
				c.expectClose(1000, "")
			case 3:
				c.text(`{"type":"BIZ","code":"NOTICE_ACK"}`)
			}
			_ = c.Close()
		}
		waitFor(t, "all to be gone", func() bool {
			return r.SessionCount() == 0 && r.OnlineUserCount() == 0 && r.reactor.Conns() == 0
		})
	}
	fds := func() int {
		names, err := os.ReadDir("/dev/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	churn(200) // pools and tables reach their size
	beforeFDs, beforeGoroutines, beforeHeap := fds(), runtime.NumGoroutine(), heap()
	churn(1000)
	waitFor(t, "descriptors and goroutines", func() bool {
		return fds() <= beforeFDs+2 && runtime.NumGoroutine() <= beforeGoroutines+3
	})
	if after := heap(); after > beforeHeap+(1<<20) {
		t.Errorf("heap grew from %d to %d bytes over 1,000 connections", beforeHeap, after)
	}
	if users := r.OnlineUsers(); len(users) != 0 {
		t.Errorf("users left: %v", users)
	}
}

// TestHalfOpenHandshakesDoNotHoldUpTheDrain: with no session to wait for, who has
// not ended a handshake is cut at once.
func TestHalfOpenHandshakesDoNotHoldUpTheDrain(t *testing.T) {
	r := start(t, func(cfg *config.Config) {
		cfg.Server.HandshakeTimeout = time.Minute
		cfg.Server.ShutdownTimeout = 5 * time.Second
	})
	var conns []*rawConn
	for range 20 {
		c := dialRaw(t, r)
		c.send("GET /ws HTTP/1.1\r\n")
		conns = append(conns, c)
	}
	waitFor(t, "the handshakes to begin", func() bool { return r.reactor.Conns() == 20 })
	if err := r.stop(); err != nil {
		t.Fatalf("run: %v", err)
	}
	for _, c := range conns {
		c.expectEOF()
	}
}
