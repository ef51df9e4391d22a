package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"carillon/cluster"
)

// fakeGateway notes what it is asked for, and answers what it is told to.
type fakeGateway struct {
	users    []string
	sessions int
	delivery Delivery
	err      error
	ready    error

	locations []cluster.Location
	nodes     []cluster.Node
	page      []cluster.Session
	next      string
	// before, if set, runs at the beginning of each operation.
	before func(ctx context.Context)

	mu    sync.Mutex
	calls []string
}

var _ Gateway = (*fakeGateway)(nil)

func (g *fakeGateway) note(ctx context.Context, format string, args ...any) (Delivery, error) {
	g.mu.Lock()
	g.calls = append(g.calls, fmt.Sprintf(format, args...))
	g.mu.Unlock()
	if g.before != nil {
		g.before(ctx)
	}
	return g.delivery, g.err
}

// taken returns the calls so far and forgets them.
func (g *fakeGateway) taken() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	calls := g.calls
	g.calls = nil
	return calls
}

func (g *fakeGateway) NodeID() string    { return "node-a" }
func (g *fakeGateway) SessionCount() int { return g.sessions }
func (g *fakeGateway) Ready() error      { return g.ready }

func (g *fakeGateway) OnlineUsers(context.Context) ([]string, error) { return g.users, g.err }
func (g *fakeGateway) OnlineUserCount(context.Context) (int, error)  { return len(g.users), g.err }
func (g *fakeGateway) Nodes(context.Context) ([]cluster.Node, error) { return g.nodes, g.err }

func (g *fakeGateway) Locate(ctx context.Context, users []string) ([]cluster.Location, error) {
	_, err := g.note(ctx, "locate %q", users)
	return g.locations, err
}

func (g *fakeGateway) Sessions(ctx context.Context, node, cursor string, limit int) ([]cluster.Session, string, error) {
	_, err := g.note(ctx, "sessions %q %q %d", node, cursor, limit)
	return g.page, g.next, err
}

func (g *fakeGateway) KickAll(ctx context.Context, k KickAll, wait bool) (Delivery, error) {
	return g.note(ctx, "kick all %+v %v", k, wait)
}

func (g *fakeGateway) PushUser(ctx context.Context, user string, message []byte, wait bool) (Delivery, error) {
	return g.note(ctx, "user %q %q %v", user, message, wait)
}

func (g *fakeGateway) PushUsers(ctx context.Context, users []string, message []byte, wait bool) (Delivery, error) {
	return g.note(ctx, "users %q %q %v", users, message, wait)
}

func (g *fakeGateway) PushSession(ctx context.Context, id string, message []byte, wait bool) (Delivery, error) {
	return g.note(ctx, "session %q %q %v", id, message, wait)
}

func (g *fakeGateway) Broadcast(ctx context.Context, message []byte, wait bool) (Delivery, error) {
	return g.note(ctx, "broadcast %q %v", message, wait)
}

func (g *fakeGateway) KickUser(ctx context.Context, user string, wait bool) (Delivery, error) {
	return g.note(ctx, "kick user %q %v", user, wait)
}

func (g *fakeGateway) KickSession(ctx context.Context, id string, wait bool) (Delivery, error) {
	return g.note(ctx, "kick session %q %v", id, wait)
}

func (g *fakeGateway) CheckHeartbeats(ctx context.Context) (Delivery, error) {
	return g.note(ctx, "heartbeats")
}

var (
	loopback = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000}
	remote   = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 40000}
)

// deadline ends a test that hangs.
const deadline = 10 * time.Second

// start serves handler in memory until the test ends.
func start(t testing.TB, handler fasthttp.RequestHandler, configure ...func(*fasthttp.Server)) *fasthttputil.InmemoryListener {
	t.Helper()
	listener := fasthttputil.NewInmemoryListener()
	serveOn(t, listener, handler, configure...)
	return listener
}

// serveOn serves handler on listener until the test ends, one ServeConn for each connection as the gateway does.
func serveOn(t testing.TB, listener net.Listener, handler fasthttp.RequestHandler, configure ...func(*fasthttp.Server)) {
	t.Helper()
	server := &fasthttp.Server{Handler: handler, ErrorHandler: ErrorHandler, Logger: silent{}, MaxRequestBodySize: DefaultMaxBody}
	for _, c := range configure {
		c(server)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				// How a connection ends is the test's business.
				_ = server.ServeConn(conn)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		wg.Wait()
	})
}

// silent drops fasthttp's log: tests provoke its errors on purpose.
type silent struct{}

func (silent) Printf(string, ...any) {}

// answered is a response as net/http, which has no code in common with the server, understands it.
type answered struct {
	status int
	header http.Header
	body   string
	closed bool // "Connection: close", which net/http takes out of the header
}

// problem reads the body as a problem and checks what all of them have in common.
func (r answered) problem(t testing.TB) problem {
	t.Helper()
	var p problem
	d := json.NewDecoder(strings.NewReader(r.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatalf("body %q is no problem: %v", r.body, err)
	}
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type = %q, want application/problem+json", got)
	}
	if p.Type != "about:blank" || p.Status != r.status || p.Title != http.StatusText(r.status) || p.Detail == "" {
		t.Errorf("problem = %+v, want type about:blank, status %d, title %q and a detail", p, r.status, http.StatusText(r.status))
	}
	return p
}

// dialer opens connections whose peer, for the server, is addr.
func dialer(t testing.TB, listener *fasthttputil.InmemoryListener, addr net.Addr) net.Conn {
	t.Helper()
	conn, err := listener.DialWithLocalAddr(addr)
	return bounded(t, conn, err)
}

// bounded is a connection that ends with the test, or before it by its deadline.
func bounded(t testing.TB, conn net.Conn, err error) net.Conn {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// request is the text of a request. lines are header lines; without a Host line one for localhost is added.
func request(method, target, body string, lines ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, target)
	host := false
	for _, l := range lines {
		host = host || strings.HasPrefix(strings.ToLower(l), "host:")
	}
	if !host {
		b.WriteString("Host: localhost:18001\r\n")
	}
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	if body != "" || method == "POST" || method == "PUT" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return b.String()
}

// roundTrip sends one request on a connection of its own.
func roundTrip(t testing.TB, listener *fasthttputil.InmemoryListener, addr net.Addr, raw, method string) answered {
	t.Helper()
	conn := dialer(t, listener, addr)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer func() { _ = conn.Close() }()
	// A refusal may come before the request is written to its end.
	wg.Go(func() { _, _ = io.WriteString(conn, raw) })
	return readAnswer(t, bufio.NewReader(conn), method)
}

func readAnswer(t testing.TB, r *bufio.Reader, method string) answered {
	t.Helper()
	response, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("no response: %v", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("response body: %v", err)
	}
	return answered{response.StatusCode, response.Header, string(body), response.Close}
}
