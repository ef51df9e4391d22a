package netpoll

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/panjf2000/gnet/v2"

	"carillon/codec"
)

// proxied is an HTTP server for tests: it answers requests with their path, and
// gives a connection back when the request is for the endpoint.
type proxied struct {
	r  *Reactor
	wg sync.WaitGroup
	mu sync.Mutex
	on map[net.Conn]bool
}

func (p *proxied) take(nc net.Conn) bool {
	p.mu.Lock()
	p.on[nc] = true
	p.mu.Unlock()
	p.wg.Go(func() {
		defer func() {
			p.mu.Lock()
			delete(p.on, nc)
			p.mu.Unlock()
		}()
		var raw bytes.Buffer // what was read and not answered
		br := bufio.NewReader(io.TeeReader(nc, &raw))
		for {
			before := raw.Len() - br.Buffered()
			req, err := http.ReadRequest(br)
			if err != nil {
				_ = nc.Close()
				return
			}
			if req.URL.Path == "/ws" {
				_ = p.r.Adopt(nc, raw.Bytes()[before:])
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = fmt.Fprintf(nc, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(req.URL.Path), req.URL.Path)
		}
	})
	return true
}

func (p *proxied) close() {
	p.mu.Lock()
	for nc := range p.on {
		_ = nc.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func startProxied(t *testing.T, opt Options) (*Reactor, *testHandler, *proxied) {
	h := newTestHandler()
	p := &proxied{on: make(map[net.Conn]bool)}
	h.http = p.take
	ready := make(chan struct{})
	take := h.http
	h.http = func(nc net.Conn) bool { <-ready; return take(nc) }
	r := startReactor(t, opt, h)
	p.r = r
	close(ready)
	t.Cleanup(p.close)
	return r, h, p
}

func (c *rawClient) expectBody(want string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil || string(b) != want {
		c.t.Fatalf("got %q, %v, want %q", b, err, want)
	}
}

const plainRequest = "GET %s HTTP/1.1\r\nHost: h\r\n\r\n"

// TestHandOver gives a connection to the HTTP server, whose bytes come in any
// number of pieces, and takes it back with the bytes that were read already.
func TestHandOver(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for _, size := range []int{1, 5, 1 << 20} {
			t.Run(fmt.Sprint(network, size), func(t *testing.T) {
				opt := Options{}
				if network == "unix" {
					opt.Unix = filepath.Join(t.TempDir(), "s")
				}
				r, h, _ := startProxied(t, opt)
				addr := opt.Unix
				if addr == "" {
					addr = fmt.Sprintf("127.0.0.1:%d", r.Port())
				}
				c, err := tryConnect(t, addr, 0)
				if err != nil {
					t.Fatal(err)
				}
				// Two pipelined requests, then an upgrade with frames in the same segment,
				// the last one cut.
				last := text(strings.Repeat("l", 300))
				c.trickle(fmt.Sprintf(plainRequest, "/a")+fmt.Sprintf(plainRequest, "/b"), size)
				c.expectBody("/a")
				c.expectBody("/b")
				if n := r.Conns(); n != 1 {
					t.Errorf("%d connections are counted while HTTP has it, want 1", n)
				}
				c.trickle(upgradeRequest+text("one")+text("two")+last[:100], size)
				if got := c.status(); got != 101 {
					t.Fatalf("status %d", got)
				}
				c.expect("one")
				c.expect("two")
				if n := r.Conns(); n != 1 {
					t.Errorf("%d connections are counted after the return, want 1", n)
				}
				c.trickle(last[100:], size)
				c.expect(strings.Repeat("l", 300))
				if err := r.Broadcast(codec.NewTextString("b"), nil); err != nil {
					t.Fatal(err)
				}
				c.expect("b")
				c.write(closeFrame(1000, ""))
				c.expectClose(1000, "")
				_ = c.nc.Close()
				waitFor(t, "the end", func() bool { return r.Conns() == 0 && h.ended(CauseClient) == 1 })
			})
		}
	}
}

// TestHandOverCounts fills MaxConns with HTTP connections and lets all of them
// upgrade at once: none is refused, and none too many gets in.
func TestHandOverCounts(t *testing.T) {
	const most = 50
	r, h, _ := startProxied(t, Options{MaxConns: most})
	var cs []*rawClient
	for range most {
		c := connect(t, r.Port(), 0)
		c.write(fmt.Sprintf(plainRequest, "/x"))
		c.expectBody("/x")
		cs = append(cs, c)
	}
	refused := func() {
		t.Helper()
		over := connect(t, r.Port(), 0)
		if got := over.status(); got != 503 {
			t.Fatalf("status %d, want 503", got)
		}
	}
	refused()
	for _, c := range cs {
		c.write(upgradeRequest)
	}
	refused()
	for _, c := range cs {
		if got := c.status(); got != 101 {
			t.Fatalf("status %d", got)
		}
	}
	refused()
	if n := r.Conns(); n != most {
		t.Errorf("%d connections are counted, want %d", n, most)
	}
	for _, c := range cs {
		_ = c.nc.Close()
	}
	waitFor(t, "the end", func() bool { return r.Conns() == 0 && h.ended(CauseEOF) == most })
}

// TestHandOverRefused is a Handler.HTTP that takes nothing, and connections that
// are not ours.
func TestHandOverRefused(t *testing.T) {
	h := newTestHandler()
	r := startReactor(t, Options{}, h)
	for range 3 {
		c := connect(t, r.Port(), 0)
		c.write(fmt.Sprintf(plainRequest, "/x"))
		if got := c.status(); got != 503 {
			t.Fatalf("status %d, want 503", got)
		}
		_ = c.nc.Close()
	}
	waitFor(t, "the end", func() bool { return r.Conns() == 0 })
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if err := r.Adopt(a, nil); err == nil {
		t.Error("a foreign connection was adopted")
	}
}

// TestAdoptAtStop gives connections back while the reactor stops: all of them
// end, and nothing is left.
func TestAdoptAtStop(t *testing.T) {
	for range 5 {
		r, _, p := startProxied(t, Options{})
		var cs []*rawClient
		for range 20 {
			c := connect(t, r.Port(), 0)
			c.write(fmt.Sprintf(plainRequest, "/x"))
			c.expectBody("/x")
			cs = append(cs, c)
		}
		for _, c := range cs {
			c.write(upgradeRequest)
		}
		if err := r.Stop(); err != nil {
			t.Fatal(err)
		}
		p.close()
		for _, c := range cs {
			if got := c.status(); got != 0 && got != 101 {
				t.Errorf("status %d", got)
			}
			c.expectEnd()
		}
		if n := r.Conns(); n != 0 {
			t.Errorf("%d connections are counted after the stop", n)
		}
	}
}

// enrollingLoop is a gnet loop that does what a test says with a connection given
// to it, an enrolled one.
type enrollingLoop struct {
	gnet.EventLoop
	enroll func(gc *enrolled) (<-chan gnet.RegisteredResult, error)
}

func (l *enrollingLoop) Enroll(ctx context.Context, _ net.Conn) (<-chan gnet.RegisteredResult, error) {
	return l.enroll(&enrolled{loop: l, v: gnet.FromContext(ctx)})
}

type enrolled struct {
	gnet.Conn
	loop *enrollingLoop
	v    any
}

func (c *enrolled) EventLoop() gnet.EventLoop { return c.loop }
func (c *enrolled) Context() any              { return c.v }
func (c *enrolled) SetContext(v any)          { c.v = v }
func (c *enrolled) Fd() int                   { return 1 << 30 } // none that there is

// TestAdoptCounts gives connections back to a loop that takes them or not, whatever
// gnet says of it: each that is not open any more has given its place back, once.
func TestAdoptCounts(t *testing.T) {
	t.Parallel()
	answer := func() (<-chan gnet.RegisteredResult, error) {
		res := make(chan gnet.RegisteredResult, 1)
		res <- gnet.RegisteredResult{}
		return res, nil
	}
	for _, tc := range []struct {
		name   string
		enroll func(e *events, gc *enrolled) (<-chan gnet.RegisteredResult, error)
		want   int
	}{
		{"taken", func(e *events, gc *enrolled) (<-chan gnet.RegisteredResult, error) {
			e.OnOpen(gc)
			return answer()
		}, 1},
		{"taken by a loop that ends", func(e *events, gc *enrolled) (<-chan gnet.RegisteredResult, error) {
			e.OnOpen(gc)
			e.OnClose(gc, nil)
			close(e.loopsDone)
			return nil, nil
		}, 0},
		{"not taken by a loop that ends", func(e *events, _ *enrolled) (<-chan gnet.RegisteredResult, error) {
			close(e.loopsDone)
			return nil, nil
		}, 0},
		{"not watched, which gnet does not tell", func(*events, *enrolled) (<-chan gnet.RegisteredResult, error) {
			return answer()
		}, 0},
		{"refused", func(*events, *enrolled) (<-chan gnet.RegisteredResult, error) {
			return nil, errors.New("refused")
		}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newTestShard(t, Options{MaxConns: 1})
			r := s.r
			r.loopsDone = make(chan struct{})
			s.loop = &enrollingLoop{enroll: func(gc *enrolled) (<-chan gnet.RegisteredResult, error) {
				return tc.enroll((*events)(r), gc)
			}}
			a, b := net.Pipe()
			defer b.Close()
			if !r.take() {
				t.Fatal("there is no place")
			}
			if err := r.Adopt(&handedConn{Conn: a, reactor: r}, nil); err != nil {
				t.Fatal(err)
			}
			r.enrolments.close()
			if n := r.Conns(); n != tc.want {
				t.Errorf("%d connections are counted, want %d", n, tc.want)
			}
			s.conns = nil // which no loop closes
			_ = a.Close()
		})
	}
}
