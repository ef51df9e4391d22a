package web_test

import (
	"context"
	"encoding/base64"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"carillon/server/web"
	"carillon/server/web/webtest"
)

const (
	testToken    = "Admin@123"
	heartbeat    = `{"type":"HEARTBEAT"}`
	heartbeatAck = `{"type":"HEARTBEAT_ACK"}`
)

// fakeGateway is a WebSocket endpoint that misbehaves on command, with the
// page beside it on the same port.
type fakeGateway struct {
	t testing.TB

	mu         sync.Mutex
	handshakes []time.Time
	received   []webtest.Message
	sessions   map[*fakeSession]struct{}
	status     int  // refuses requests when it is not 0
	deaf       bool // does not read
	hearing    *sync.Cond
}

type fakeSession struct {
	conn *websocket.Conn
	tcp  net.Conn
}

type tcpKey struct{}

// newGateway starts a fake gateway and serves the page for it.
func newGateway(t testing.TB) *webtest.Gateway {
	t.Helper()
	g := &fakeGateway{t: t, sessions: make(map[*fakeSession]struct{})}
	g.hearing = sync.NewCond(&g.mu)

	mux := http.NewServeMux()
	mux.HandleFunc("/ws", g.serve)
	mux.Handle("/", pageProxy(t, web.Options{DemoToken: testToken}))
	server := httptest.NewUnstartedServer(mux)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Config.ConnContext = func(ctx context.Context, tcp net.Conn) context.Context {
		return context.WithValue(ctx, tcpKey{}, tcp)
	}
	server.Start()
	t.Cleanup(func() {
		g.hear(true)
		g.cut()
		server.Close()
	})
	return &webtest.Gateway{
		URL:        server.URL,
		Endpoint:   "/ws",
		Token:      testToken,
		Push:       g.push,
		Sessions:   g.count,
		Handshakes: g.times,
		Received:   g.messages,
		Refuse:     g.refuse,
		Close:      g.closeAll,
		Cut:        g.cut,
		Hear:       g.hear,
	}
}

// pageProxy serves the site, which speaks fasthttp, under a net/http server.
func pageProxy(t testing.TB, opt web.Options) http.Handler {
	t.Helper()
	listener := serveSite(t, opt)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "site"})
	proxy.Transport = &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return listener.Dial() },
	}
	return proxy
}

// serveSite serves a site in memory until the test ends.
func serveSite(t testing.TB, opt web.Options) *fasthttputil.InmemoryListener {
	t.Helper()
	r := router.New()
	web.New(opt).Register(r)
	listener := fasthttputil.NewInmemoryListener()
	server := &fasthttp.Server{Handler: r.Handler}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return listener
}

func (g *fakeGateway) serve(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		g.servePlain(w, r)
		return
	}
	g.mu.Lock()
	g.handshakes = append(g.handshakes, time.Now())
	status := g.status
	g.mu.Unlock()
	if status != 0 {
		refuse(w, status)
		return
	}
	if token(r) != testToken {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"bearer"}})
	if err != nil {
		g.t.Errorf("accept: %v", err)
		return
	}
	conn.SetReadLimit(1 << 20)
	s := &fakeSession{conn: conn, tcp: r.Context().Value(tcpKey{}).(net.Conn)}
	g.mu.Lock()
	g.sessions[s] = struct{}{}
	g.mu.Unlock()
	g.read(s)
	g.mu.Lock()
	delete(g.sessions, s)
	g.mu.Unlock()
}

// servePlain answers as a gateway does: the token first, then the upgrade that
// is missing.
func (g *fakeGateway) servePlain(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	status := g.status
	g.mu.Unlock()
	switch {
	case status != 0:
		refuse(w, status)
	case token(r) != testToken:
		w.WriteHeader(http.StatusUnauthorized)
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
}

func refuse(w http.ResponseWriter, status int) {
	if status == webtest.HangUp {
		panic(http.ErrAbortHandler) // closes the connection
	}
	w.WriteHeader(status)
}

// token finds the token of a handshake at each of the places it may be.
func token(r *http.Request) string {
	if query := r.URL.Query().Get("token"); query != "" {
		return query
	}
	if header, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return header
	}
	for _, protocol := range strings.Split(r.Header.Get("Sec-WebSocket-Protocol"), ",") {
		if encoded, ok := strings.CutPrefix(strings.TrimSpace(protocol), "base64url."); ok {
			if text, err := base64.RawURLEncoding.DecodeString(encoded); err == nil {
				return string(text)
			}
		}
	}
	return ""
}

// read keeps what a session sends and acknowledges heartbeats, until it ends.
func (g *fakeGateway) read(s *fakeSession) {
	ctx := context.Background()
	for {
		g.mu.Lock()
		for g.deaf {
			g.hearing.Wait()
		}
		g.mu.Unlock()
		kind, data, err := s.conn.Read(ctx)
		if err != nil {
			g.mu.Lock()
			g.received = append(g.received, webtest.Message{Time: time.Now(), Close: int(websocket.CloseStatus(err))})
			g.mu.Unlock()
			return
		}
		g.mu.Lock()
		g.received = append(g.received, webtest.Message{
			Time: time.Now(), Text: string(data), Binary: kind == websocket.MessageBinary,
		})
		g.mu.Unlock()
		if string(data) == heartbeat {
			// A write that fails shows in the next read.
			_ = s.conn.Write(ctx, websocket.MessageText, []byte(heartbeatAck))
		}
	}
}

func (g *fakeGateway) live() []*fakeSession {
	g.mu.Lock()
	defer g.mu.Unlock()
	var live []*fakeSession
	for s := range g.sessions {
		live = append(live, s)
	}
	return live
}

func (g *fakeGateway) push(texts ...string) {
	for _, s := range g.live() {
		for _, text := range texts {
			if err := s.conn.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
				g.t.Errorf("push: %v", err)
			}
		}
	}
}

func (g *fakeGateway) count() int { return len(g.live()) }

func (g *fakeGateway) times() []time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]time.Time(nil), g.handshakes...)
}

func (g *fakeGateway) messages() []webtest.Message {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]webtest.Message(nil), g.received...)
}

func (g *fakeGateway) refuse(status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.status = status
}

func (g *fakeGateway) hear(hear bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deaf = !hear
	g.hearing.Broadcast()
}

func (g *fakeGateway) closeAll(code int, reason string) {
	for _, s := range g.live() {
		// Also waits for the answer; the page may be gone by then.
		_ = s.conn.Close(websocket.StatusCode(code), reason)
	}
}

func (g *fakeGateway) cut() {
	for _, s := range g.live() {
		_ = s.tcp.Close()
	}
}
