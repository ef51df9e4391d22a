package peers

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"carillon/bench/peers/internal/proc"
)

// crowdOf starts bin/crowd for a server.
func crowdOf(t *testing.T, addr string, args ...string) *proc.Talk {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := proc.StartTalk("bin/crowd", append(args, "--port", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func hear(t *testing.T, c *proc.Talk, to any) {
	t.Helper()
	line, err := c.Hear(t.Context(), patience)
	if err != nil {
		t.Fatal(err)
	}
	if want, is := to.(string); is {
		if line != want {
			t.Fatalf("heard %q, want %q", line, want)
		}
		return
	}
	if err := json.Unmarshal([]byte(line), to); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
}

type crowdWindow struct {
	Seconds, P50, P99, Max                                float64
	Frames, Published, Undelivered, Wrong, Beats, Missing int64
}

func (w *crowdWindow) UnmarshalJSON(b []byte) error {
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	for name, to := range map[string]*float64{"seconds": &w.Seconds, "p50_ms": &w.P50, "p99_ms": &w.P99, "max_ms": &w.Max} {
		*to, _ = m[name].(float64)
	}
	for name, to := range map[string]*int64{
		"frames": &w.Frames, "published": &w.Published, "undelivered": &w.Undelivered, "wrong": &w.Wrong, "beats": &w.Beats, "missing": &w.Missing,
	} {
		f, there := m[name].(float64)
		if !there {
			return fmt.Errorf("no %s", name)
		}
		*to = int64(f)
	}
	return nil
}

func measured(t *testing.T, c *proc.Talk, command string, early bool) (w crowdWindow) {
	t.Helper()
	if err := c.Say(command); err != nil {
		t.Fatal(err)
	}
	hear(t, c, "begin")
	if early {
		if err := c.Say(""); err != nil {
			t.Fatal(err)
		}
	}
	hear(t, c, "end")
	hear(t, c, &w)
	return w
}

// TestCrowd has each command done, one after the other.
func TestCrowd(t *testing.T) {
	addr := serve(t, cserver("--fanout", "log")...)
	c := crowdOf(t, addr, "--audience", "30", "--bystanders", "5", "--rate", "500")
	var connected struct{ Connected int }
	if hear(t, c, &connected); connected.Connected != 35 {
		t.Errorf("%d connected, want 35", connected.Connected)
	}
	whole := func(w crowdWindow) bool {
		return w.Undelivered == 0 && w.Wrong == 0 && w.Missing == 0 && w.Beats > 0 && w.P50 > 0 && w.P50 <= w.P99
	}
	if w := measured(t, c, "beat 0 0.05 0.2", false); !whole(w) || w.Frames+w.Published != 0 || w.Beats > int64(500*w.Seconds)+5 || w.Seconds < 0.2 {
		t.Errorf("beat: %+v", w)
	}
	if w := measured(t, c, "flood 8 0.05 0.2", false); !whole(w) || w.Frames < 30 || w.Frames > (w.Published+8)*30 {
		t.Errorf("flood: %+v", w)
	}
	if w := measured(t, c, "steady 100 0.05 0.2", false); !whole(w) || w.Published < 1 || w.Published > int64(100*w.Seconds)+10 || w.Frames > (w.Published+8)*30 {
		t.Errorf("steady: %+v", w)
	}
	if w := measured(t, c, "beat 0 0.05 0", true); w.Undelivered != 0 || w.Missing != 0 {
		t.Errorf("ended early: %+v", w)
	}
}

// TestCrowdPublishersRest has connections publish no more that have not for a while:
// servers close those, some with a request that has just come.
func TestCrowdPublishersRest(t *testing.T) {
	for rest, again := range map[string]bool{"1": false, "60000": true} {
		var mu sync.Mutex
		from := map[string]int{}
		listener := make(chan *websocket.Conn, 1)
		var ws websocket.Upgrader
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				if c, err := ws.Upgrade(w, r, nil); err == nil {
					listener <- c
				}
				return
			}
			var body struct{ Message string }
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Error(err)
			}
			c := <-listener
			_ = c.WriteMessage(websocket.TextMessage, []byte(body.Message))
			listener <- c
			mu.Lock()
			defer mu.Unlock()
			from[r.RemoteAddr]++
		}))
		c := crowdOf(t, srv.Listener.Addr().String(), "--audience", "1", "--rest", rest)
		hear(t, c, &struct{}{})
		w := measured(t, c, "steady 20 0 0.4", false)
		c.Close()
		srv.Close()
		_ = (<-listener).Close()
		most := 0
		for _, n := range from {
			most = max(most, n)
		}
		if w.Undelivered != 0 || w.Published < 4 || (most > 1) != again {
			t.Errorf("--rest %s: %d published, up to %d over one connection", rest, w.Published, most)
		}
	}
}

// fake is a server that a test has in its hands: what it sends first, and how it
// answers heartbeats.
func fake(t *testing.T, first []byte, answer func(ws *websocket.Conn)) string {
	t.Helper()
	var conns sync.WaitGroup
	upgrader := websocket.Upgrader{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			return
		}
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		conns.Add(1)
		defer conns.Done()
		defer ws.Close()
		if first != nil {
			_, _ = ws.NetConn().Write(first)
		}
		for {
			if _, _, err := ws.ReadMessage(); err != nil || answer == nil {
				return
			}
			answer(ws)
		}
	}))
	t.Cleanup(func() {
		srv.Close()
		conns.Wait()
	})
	return srv.Listener.Addr().String()
}

// TestCrowdStall has one answer come late: heartbeats that were due meanwhile
// count as late as they would have been.
func TestCrowdStall(t *testing.T) {
	const stall, beats = 400 * time.Millisecond, 3
	n := 0
	addr := fake(t, nil, func(ws *websocket.Conn) {
		if n++; n == beats {
			time.Sleep(stall) // the slow server that is measured
		}
		_ = ws.WriteMessage(websocket.TextMessage, []byte(pong))
	})
	c := crowdOf(t, addr, "--bystanders", "1", "--rate", "100")
	hear(t, c, &struct{}{})
	w := measured(t, c, "beat 0 0 0.8", false)
	// 40 of some 80 were due within the stall, four of them in its first tenth.
	if w.Missing != 0 || w.Beats < int64(100*w.Seconds)-5 || w.Beats > int64(100*w.Seconds)+5 || w.Max < 380 || w.P99 < 300 {
		t.Errorf("got %+v", w)
	}
}

// TestCrowdNotices has servers do wrong.
func TestCrowdNotices(t *testing.T) {
	short := []byte(plain(0x81, "short#"))
	c := crowdOf(t, fake(t, short, func(*websocket.Conn) {}), "--audience", "3")
	hear(t, c, &struct{}{})
	if w := measured(t, c, "beat 0 0.05 0.1", false); w.Wrong != 2*3 || w.Frames != 0 && w.Frames != 3 { // length, and not published
		t.Errorf("got %+v", w)
	}
	for name, tc := range map[string]struct {
		addr, says string
		args       []string
	}{
		"binary":   {fake(t, []byte(plain(0x82, "x")), nil), "something else than a text message", []string{"--audience", "1"}},
		"closing":  {fake(t, nil, nil), "closed a connection with heartbeats", []string{"--bystanders", "1"}},
		"refusing": {httpOnly(t), "refused a handshake", []string{"--bystanders", "1"}},
		"gone":     {"127.0.0.1:" + freePort(t), "Connection refused", []string{"--bystanders", "1"}},
		"flags":    {"127.0.0.1:1", "--rate: want 1", []string{"--rate", "0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := crowdOf(t, tc.addr, tc.args...)
			_ = c.Say("beat 0 0 1")
			for {
				_, err := c.Hear(t.Context(), patience)
				if err == nil {
					continue
				}
				if !strings.Contains(err.Error(), tc.says) {
					t.Errorf("got %v, want %q", err, tc.says)
				}
				return
			}
		})
	}
}

// httpOnly is a server without WebSocket.
func httpOnly(t *testing.T) string {
	srv := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}
