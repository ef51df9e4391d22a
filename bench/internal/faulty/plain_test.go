package faulty

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"carillon/bench/internal/await"
)

func TestEchoAndHeartbeat(t *testing.T) {
	s := Start(t, Options{})
	c := dial(t, s.URL())
	send(t, c, "hello")
	send(t, c, `{"type":"HEARTBEAT"}`)
	if err := c.WriteMessage(websocket.BinaryMessage, []byte{0, 255}); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("long ", 100_000)
	send(t, c, long)
	want(t, c, "hello", `{"type":"HEARTBEAT_ACK"}`)
	if kind, b, err := c.ReadMessage(); err != nil || kind != websocket.BinaryMessage || string(b) != "\x00\xff" {
		t.Errorf("binary: got %d %q %v", kind, b, err)
	}
	want(t, c, long)
	st := atRest(t, s, 4)
	if st.Received != 4 || st.Heartbeats != 1 || st.Sent != 4 || st.Conns != 1 {
		t.Errorf("got %+v", st)
	}
	if err := c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "bye"), time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, 1000) {
		t.Errorf("got %v, want the close frame back", err)
	}
	await.Until(t, "the connection to end", func() bool { return s.Conns() == 0 })
	if st := s.Stats(); st.ClosedByYou != 1 || st.Vanished != 0 || st.ClosedByUs != 0 {
		t.Errorf("got %+v", st)
	}
}

func TestBroadcastIsInTheSameOrderEverywhere(t *testing.T) {
	s := Start(t, Options{})
	var clients []*websocket.Conn
	for range 5 {
		clients = append(clients, dial(t, s.URL()))
	}
	var wg sync.WaitGroup
	for p := range 4 {
		wg.Go(func() {
			for i := range 25 {
				if status := post(t, s.PublishURL("broadcast"), fmt.Sprintf(`{"message":"%d/%d"}`, p, i)); status != 200 {
					t.Errorf("status %d", status)
				}
			}
		})
	}
	var first []string
	for range 100 {
		first = append(first, receive(t, clients[0]))
	}
	for _, c := range clients[1:] {
		want(t, c, first...)
	}
	wg.Wait()
	if st := atRest(t, s, 500); st.Publishes != 100 || st.Sent != 500 {
		t.Errorf("got %+v", st)
	}
	if status := post(t, s.PublishURL("broadcast"), `{}`); status != 400 {
		t.Errorf("without a message: got %d", status)
	}
}

func TestPushGoesToTheUser(t *testing.T) {
	s := Start(t, Options{})
	a1, a2, b := dial(t, s.URL()+"?user=a"), dial(t, s.URL()+"?token=a"), dial(t, s.URL()+"?token=b&x=1")
	at := func(user string) string { return strings.ReplaceAll(s.PublishURL("push"), "{{.User}}", user) }
	post(t, at("a"), `{"message":"for a"}`)
	post(t, at("b"), `{"message":"for b"}`)
	post(t, at("nobody"), `{"message":"lost"}`)
	want(t, a1, "for a")
	want(t, a2, "for a")
	want(t, b, "for b")
	atRest(t, s, 3)
	a1.Close()
	await.Until(t, "the end of the first", func() bool { return s.Conns() == 2 })
	s.Push("a", "again")
	want(t, a2, "again")
	if st := atRest(t, s, 4); st.Vanished != 1 {
		t.Errorf("got %+v", st)
	}
}

func TestHubSendsToAllOthers(t *testing.T) {
	s := Start(t, Options{})
	a, b, c := dial(t, s.HubURL()), dial(t, s.HubURL()), dial(t, s.HubURL())
	dial(t, s.URL())
	send(t, a, "from a")
	want(t, b, "from a")
	want(t, c, "from a")
	send(t, b, "from b")
	want(t, a, "from b")
	want(t, c, "from b")
	atRest(t, s, 4)
}

func TestWelcomeIsInTheSegmentOfThe101(t *testing.T) {
	s := Start(t, Options{Welcome: "welcome"})
	nc, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprintf(nc, "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: one, two\r\n\r\n")
	_ = nc.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 4096)
	n, err := nc.Read(buf) // one segment, hence one read
	got := string(buf[:n])
	if err != nil || !strings.HasSuffix(got, "\r\n\r\n\x81\x07welcome") {
		t.Errorf("got %q, %v", got, err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(got)), nil)
	if err != nil || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" || resp.Header.Get("Sec-WebSocket-Protocol") != "one" {
		t.Errorf("got %v, %v", resp, err)
	}
}

func TestFramesInTheSegmentOfTheRequest(t *testing.T) {
	s := Start(t, Options{})
	nc, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprintf(nc, "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x82\x00\x00\x00\x00hi")
	_ = nc.SetReadDeadline(time.Now().Add(patience))
	r := bufio.NewReader(nc)
	for line := ""; line != "\r\n"; {
		if line, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	frame := make([]byte, 4)
	if _, err := r.Read(frame); err != nil || string(frame) != "\x81\x02hi" {
		t.Errorf("got %q, %v", frame, err)
	}
}

func TestClientsThatBreakTheProtocolAreCounted(t *testing.T) {
	s := Start(t, Options{})
	c := dial(t, s.URL())
	if _, err := c.NetConn().Write([]byte("\x81\x02hi")); err != nil { // not masked
		t.Fatal(err)
	}
	if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, 1002) {
		t.Errorf("got %v, want 1002", err)
	}
	c.Close()
	await.Until(t, "the connection to end", func() bool { return s.Conns() == 0 })
	if st := s.Stats(); st.BadFrames != 1 || st.ClosedByUs != 1 {
		t.Errorf("got %+v", st)
	}
}

func TestUsersAreChecked(t *testing.T) {
	s := Start(t, Options{User: func(r *http.Request) (string, bool) {
		user := r.Header.Get("X-User")
		return user, user != ""
	}})
	_, resp, err := websocket.DefaultDialer.Dial(s.URL(), nil)
	if err == nil || resp == nil || resp.StatusCode != 401 {
		t.Errorf("got %v %v", resp, err)
	}
	c, _, err := websocket.DefaultDialer.Dial(s.URL(), http.Header{"X-User": {"me"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s.Push("me", "found")
	want(t, c, "found")
}

func TestMessagesAndArrivalsAreSeen(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	s := Start(t, Options{RecordArrivals: 3, OnMessage: func(user string, b []byte) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, user+":"+string(b))
	}})
	before := time.Now()
	c := dial(t, s.URL()+"?user=u")
	for i := range 5 {
		send(t, c, fmt.Sprint(i))
		want(t, c, fmt.Sprint(i))
	}
	after := time.Now()
	at := s.Arrivals()
	if len(at) != 3 {
		t.Fatalf("got %d arrivals, want 3", len(at))
	}
	for i, a := range at {
		if a.Before(before) || a.After(after) || i > 0 && a.Before(at[i-1]) {
			t.Errorf("arrival %d at %v, between %v and %v", i, a, before, after)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(seen, " "); got != "u:0 u:1 u:2 u:3 u:4" {
		t.Errorf("saw %q", got)
	}
}

func TestTLS(t *testing.T) {
	cert := selfSigned(t)
	s := Start(t, Options{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}, Faults: Faults{UpgradeChunk: 7}})
	d := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	c, _, err := d.Dial(s.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send(t, c, "secret")
	want(t, c, "secret")
	s.CloseAll(Close{Code: 1001, Reason: "away"})
	if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, 1001) {
		t.Errorf("got %v", err)
	}
}
