package server

import (
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"

	"carillon/netpoll"
	"carillon/server/config"
)

// TestPushesKeepTheirOrder alternates every kind of push; the client sees them
// in the order they were made in.
func TestPushesKeepTheirOrder(t *testing.T) {
	ids := make(chan string, 1)
	r := start(t, nil, func(s *Server) { s.Handle("ID", idHandler(ids)) })
	c := r.connect(t, "ann")
	write(t, c, `{"type":"BIZ","code":"ID"}`)
	id := <-ids
	const rounds = 300
	go func() {
		for i := range rounds {
			text := []byte(fmt.Sprint(i))
			var err error
			switch i % 4 {
			case 0:
				_, err = r.PushUser("ann", text)
			case 1:
				_, err = r.PushUsers([]string{"ann", "nobody"}, text)
			case 2:
				err = r.PushSession(id, text)
			case 3:
				err = r.Broadcast(text)
			}
			if err != nil {
				t.Errorf("push %d: %v", i, err)
			}
		}
	}()
	for i := range rounds {
		read(t, c, fmt.Sprint(i))
	}
}

// TestManyProducersOneSession: nothing is lost, and each producer's pushes keep
// their order.
func TestManyProducersOneSession(t *testing.T) {
	const producers, each = 8, 200
	r := start(t, nil)
	c := r.connect(t, "ann")
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for i := range each {
				status, body := r.post(t, "/websocket/send/user/ann", fmt.Sprintf(`{"message":"%d %d"}`, p, i))
				if status != 200 {
					t.Errorf("push: %d %s", status, body)
				}
			}
		})
	}
	next := make([]int, producers)
	for range producers * each {
		_, b, err := c.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		var p, i int
		if _, err := fmt.Sscan(string(b), &p, &i); err != nil || next[p] != i {
			t.Fatalf("got %q, want %d of producer %d", b, next[p], p)
		}
		next[p]++
	}
	wg.Wait()
}

func TestUserWithManySessions(t *testing.T) {
	r := start(t, nil)
	var all []*websocket.Conn
	for range 50 {
		all = append(all, r.connect(t, "many"))
	}
	if n, err := r.PushUsers([]string{"many", "nobody", "many"}, []byte("all")); n != 50 || err != nil {
		t.Fatalf("push to a user named twice reached %d, %v", n, err)
	}
	for i, c := range all {
		read(t, c, "all")
		if i%2 == 0 {
			_ = c.Close()
		}
	}
	waitFor(t, "half of them to leave", func() bool { return r.SessionCount() == 25 })
	if n, err := r.KickUser("many"); n != 25 || err != nil {
		t.Fatalf("kick reached %d, %v", n, err)
	}
	waitFor(t, "the user to be offline", func() bool { return r.OnlineUserCount() == 0 })
}

// TestSlowConsumerIsClosed: a client that answers pings but does not read its
// messages is found by the bytes that wait for it; the others get everything
// meanwhile.
func TestSlowConsumerIsClosed(t *testing.T) {
	r := start(t, func(cfg *config.Config) {
		cfg.WebSocket.MaxOutboundBytes = 256 << 10
		cfg.Server.SocketSendBuffer = 8 << 10
	})
	slow := dialRaw(t, r)
	slow.upgrade("slow")
	fast := r.connect(t, "fast")
	payload := strings.Repeat("x", 16<<10)
	sent := 0
	for closedBy(r, netpoll.CauseSlowConsumer) == 0 {
		if sent++; sent > 4096 {
			t.Fatal("64 MiB were sent and the slow consumer is still there")
		}
		if sent%8 == 0 { // it lives, but reads nothing
			slow.writeFrame(true, 0, ws.OpPing, []byte("alive"))
		}
		if err := r.Broadcast([]byte(payload)); err != nil && !errors.Is(err, ErrBusy) {
			t.Fatal(err)
		} else if err == nil {
			read(t, fast, payload)
		}
	}
	if n := r.SessionCount(); n != 1 {
		t.Errorf("%d sessions, want the fast one alone", n)
	}
	heartbeat(t, fast)
	// Once it reads, it learns why, at a frame boundary.
	for {
		h, p, err := slow.readFrame()
		if err != nil {
			t.Fatalf("no close frame: %v", err)
		}
		if h == finBit|byte(ws.OpClose) {
			if string(p[2:]) != "slow consumer" || p[0] != 1013>>8 || p[1] != 1013&0xff {
				t.Fatalf("closed with %q", p)
			}
			break
		}
		if h != finBit|byte(ws.OpPong) && string(p) != payload {
			t.Fatalf("got frame %#x of %d bytes", h, len(p))
		}
	}
}

func closedBy(r *running, why netpoll.Cause) (n int) {
	for _, s := range r.reactor.Stats() {
		n += int(s.Closed[why])
	}
	// Counted when the socket is gone; the session ends before that.
	if why == netpoll.CauseSlowConsumer && strings.Contains(r.log.String(), "slow consumer closed") {
		n++
	}
	return n
}

func TestBoundsOfPushes(t *testing.T) {
	r := start(t, func(cfg *config.Config) {
		cfg.WebSocket.MaxOutboundBytes = 64 << 10
		cfg.WebSocket.MaxQueuedPushes = 16
	})
	c := r.connect(t, "ann")
	message := func(n int) string { return `{"message":"` + strings.Repeat("m", n) + `"}` }
	for _, path := range []string{"/websocket/send/user/ann", "/websocket/broadcast", "/websocket/send/session/x"} {
		if status, body := r.post(t, path, message(64<<10)); status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s with a message over the bound: %d %s", path, status, body)
		}
	}
	if status, _ := r.post(t, "/websocket/send/user/ann", message(64<<10-4)); status != 200 {
		t.Errorf("a message at the bound: %d", status)
	}
	read(t, c, strings.Repeat("m", 64<<10-4))

	// A loop that is busy takes 16 pushes and refuses more.
	block, blocked := make(chan struct{}), make(chan struct{})
	r2 := start(t, func(cfg *config.Config) {
		cfg.WebSocket.MaxQueuedPushes = 16
		cfg.Server.EventLoops = 1
	}, blockingHandler(blocked, block))
	c2 := r2.connect(t, "ann")
	// On a connection that the loop has handed over already.
	if status, body := r2.post(t, "/websocket/heartbeat/check", ""); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	write(t, c2, `{"type":"BIZ","code":"BLOCK"}`)
	<-blocked
	for i := range 16 {
		if _, err := r2.PushUser("ann", []byte(fmt.Sprint(i))); err != nil {
			t.Fatalf("push %d: %v", i, err)
		}
	}
	if _, err := r2.PushUser("ann", []byte("x")); !errors.Is(err, ErrBusy) {
		t.Errorf("push 17: %v, want ErrBusy", err)
	}
	if err := r2.Broadcast([]byte("x")); !errors.Is(err, ErrBusy) {
		t.Errorf("broadcast: %v, want ErrBusy", err)
	}
	for path, body := range map[string]string{
		"/websocket/send/user/ann": `{"message":"x"}`, "/websocket/broadcast": `{"message":"x"}`,
		"/websocket/send/users": `{"userIds":["ann"],"message":"x"}`,
	} {
		if status, answer := r2.post(t, path, body); status != http.StatusServiceUnavailable {
			t.Errorf("%s on a full queue: %d %s, want 503", path, status, answer)
		}
	}
	close(block)
	for i := range 16 {
		read(t, c2, fmt.Sprint(i))
	}
	if _, err := r2.PushUser("ann", []byte("again")); err != nil {
		t.Errorf("push after the queue was emptied: %v", err)
	}
	read(t, c2, "again")
}

// blockingHandler handles BLOCK on the event loop, which does nothing else from
// when blocked is closed until block is.
func blockingHandler(blocked, block chan struct{}) func(*Server) {
	return func(s *Server) {
		s.Handle("BLOCK", func(context.Context, *Message) error { close(blocked); <-block; return nil }, NonBlocking())
	}
}

// TestOnlyTextIsPushed refuses bytes that would make the client close (RFC 6455
// §8.1), by every call, and goes on.
func TestOnlyTextIsPushed(t *testing.T) {
	ids := make(chan Session, 1)
	r := start(t, nil, func(s *Server) {
		s.Handle("WHO", func(_ context.Context, m *Message) error { ids <- m.Session; return nil })
	})
	c := r.connect(t, "ann")
	write(t, c, `{"type":"BIZ","code":"WHO"}`)
	session := <-ids
	for _, bad := range []string{"\xff", "cut \xe2\x82", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80"} {
		for name, push := range map[string]func() error{
			"PushUser":     func() error { _, err := r.PushUser("ann", []byte(bad)); return err },
			"PushUsers":    func() error { _, err := r.PushUsers([]string{"ann"}, []byte(bad)); return err },
			"PushSession":  func() error { return r.PushSession(session.ID(), []byte(bad)) },
			"Broadcast":    func() error { return r.Broadcast([]byte(bad)) },
			"Session.Send": func() error { return session.Send([]byte(bad)) },
		} {
			if err := push(); !errors.Is(err, ErrNotText) {
				t.Errorf("%s of %q: %v, want ErrNotText", name, bad, err)
			}
		}
	}
	heartbeat(t, c)
}

// TestKickBehindPushes: what was pushed before a kick arrives, then the close
// frame, and nothing that was pushed after it.
func TestKickBehindPushes(t *testing.T) {
	for _, kick := range []string{"user", "session"} {
		t.Run(kick, func(t *testing.T) {
			blocked, block := make(chan struct{}), make(chan struct{})
			ids := make(chan string, 1)
			r := start(t, func(cfg *config.Config) { cfg.Server.EventLoops = 1 }, blockingHandler(blocked, block),
				func(s *Server) { s.Handle("ID", idHandler(ids)) })
			c, other := dialRaw(t, r), r.connect(t, "other")
			c.upgrade("ann")
			c.text(`{"type":"BIZ","code":"ID"}`)
			id := <-ids
			write(t, other, `{"type":"BIZ","code":"BLOCK"}`)
			<-blocked
			push := func(text string) {
				if _, err := r.PushUser("ann", []byte(text)); err != nil {
					t.Fatal(err)
				}
				if err := r.PushSession(id, []byte(text)); err != nil {
					t.Fatal(err)
				}
				if err := r.Broadcast([]byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			const rounds = 20
			for i := range rounds {
				push(fmt.Sprint(i))
			}
			if kick == "user" {
				if n, err := r.KickUser("ann"); n != 1 || err != nil {
					t.Fatalf("kicked %d, %v", n, err)
				}
			} else if err := r.KickSession(id); err != nil {
				t.Fatal(err)
			}
			push("after the kick")
			close(block)
			for i := range rounds {
				for range 3 {
					c.expectText(fmt.Sprint(i))
				}
			}
			c.writeFrame(true, 0, ws.OpClose, closePayload(1000, ""))
			c.expectClose(1000, "")
			for i := range rounds {
				read(t, other, fmt.Sprint(i))
			}
			read(t, other, "after the kick")
		})
	}
}

// TestPushesWhileDraining: the HTTP endpoints take no push once the drain began,
// so that the back end can turn to another node; nobody gets it.
func TestPushesWhileDraining(t *testing.T) {
	r := start(t, func(cfg *config.Config) { cfg.WebSocket.CloseTimeout = 500 * time.Millisecond })
	ann := dialRaw(t, r) // does not answer the close frame, which keeps the drain going
	ann.upgrade("ann")
	ann.heartbeat()
	// Requests whose bodies come when the drain has begun.
	calls := map[string]string{
		"/websocket/send/user/ann": `{"message":"x"}`, "/websocket/broadcast": `{"message":"x"}`,
		"/websocket/send/users": `{"userIds":["ann"],"message":"x"}`, "/websocket/send/session/x": `{"message":"x"}`,
	}
	conns := make(map[string]*rawConn)
	for path, body := range calls {
		c := dialRaw(t, r)
		c.send(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", path, len(body)))
		if res, answer := c.response(); res.StatusCode != 100 {
			t.Fatalf("%s: %s %s, want 100", path, res.Status, answer)
		}
		conns[path] = c
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	waitFor(t, "the drain", func() bool { return r.Ready() != nil })
	for path, c := range conns {
		c.send(calls[path])
		if res, body := c.response(); res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %s %s, want 503", path, res.Status, body)
		}
	}
	ann.expectClose(1001, "server shutting down")
	if err := <-stopped; err != nil {
		t.Fatalf("run: %v", err)
	}
}

// TestCompressedAndPlainClients get the same broadcasts, compressed once.
func TestCompressedAndPlainClients(t *testing.T) {
	r := start(t, func(cfg *config.Config) { cfg.WebSocket.Compression = true })
	plain := r.connect(t, "plain")
	dialer := websocket.Dialer{EnableCompression: true}
	gorilla, res, err := dialer.Dial("ws://"+r.Addr()+"/ws?token=u-gorilla", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = gorilla.Close() })
	_ = gorilla.SetReadDeadline(time.Now().Add(testPatience))
	if ext := res.Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(ext, "permessage-deflate") {
		t.Fatalf("extensions %q", ext)
	}
	heartbeat(t, gorilla)
	raw := dialRaw(t, r)
	res = raw.upgrade("raw", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
	if ext := res.Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(ext, "permessage-deflate") {
		t.Fatalf("extensions %q", ext)
	}
	raw.heartbeat()
	long, short := strings.Repeat("compress me, ", 100), "short"
	for _, text := range []string{long, short, long} {
		if err := r.Broadcast([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{long, short, long} {
		read(t, plain, text)
		read(t, gorilla, text)
		if text == short {
			raw.expectText(short)
			continue
		}
		h, p, err := raw.readFrame()
		if err != nil || h != finBit|0x40|byte(ws.OpText) || len(p) > len(long)/5 {
			t.Fatalf("got frame %#x of %d bytes, %v; want a compressed one", h, len(p), err)
		}
		// RFC 7692 §7.2.2
		got, err := io.ReadAll(flate.NewReader(strings.NewReader(string(p) + "\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
		if err != nil || string(got) != long {
			t.Fatalf("inflated to %.60q, %v", got, err)
		}
	}
}

// TestHeartbeatCheck closes nobody who lives, however often it is asked for and
// for longer than the heartbeat timeout.
func TestHeartbeatCheck(t *testing.T) {
	const timeout = 1500 * time.Millisecond
	r := start(t, func(cfg *config.Config) { cfg.WebSocket.HeartbeatTimeout = timeout })
	beats, pings, silent := r.connect(t, "beats"), dialRaw(t, r), r.connect(t, "silent")
	pings.upgrade("pings")
	began := time.Now()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() { // checks without a pause between them
		for {
			select {
			case <-stop:
				return
			default:
			}
			if status, body := r.post(t, "/websocket/heartbeat/check", ""); status != 200 || body != "" {
				t.Errorf("%d %q", status, body)
				return
			}
		}
	})
	// The silent session shows that the checks do judge.
	waitFor(t, "the silent session to be closed", func() bool {
		heartbeat(t, beats)
		pings.writeFrame(true, 0, ws.OpPing, []byte("alive"))
		pings.expectFrame(finBit|byte(ws.OpPong), []byte("alive"))
		return time.Since(began) > 2*timeout && r.SessionCount() == 2
	})
	close(stop)
	wg.Wait()
	readClose(t, silent, 4500, "heartbeat timeout")
	heartbeat(t, beats)
	pings.heartbeat()
}

func TestCountsOverHTTP(t *testing.T) {
	r := start(t, nil)
	get := func(path string) string {
		res, err := http.Get("http://" + r.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: %s %s %v", path, res.Status, b, err)
		}
		return string(b)
	}
	if n, u := get("/websocket/online/count"), get("/websocket/online/users"); n != "0" || u != "[]" {
		t.Fatalf("count %s, users %s of nobody", n, u)
	}
	r.connect(t, "ann")
	r.connect(t, "ann")
	r.connect(t, "bob")
	if n, s := get("/websocket/online/count"), get("/websocket/online/session/count"); n != "2" || s != "3" {
		t.Errorf("count %s, sessions %s; want 2 and 3", n, s)
	}
	var users []string
	if err := json.Unmarshal([]byte(get("/websocket/online/users")), &users); err != nil || len(users) != 2 {
		t.Errorf("users %v, %v", users, err)
	}
}
