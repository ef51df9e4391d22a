package faulty

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"carillon/bench/internal/await"
)

func TestUpgradesThatFail(t *testing.T) {
	for _, tc := range []struct {
		name  string
		f     Faults
		is    func(*http.Response, error) bool
		stats func(Stats) int64
	}{
		{"refuse", Faults{RefuseEvery: 2, RefuseStatus: 429},
			func(r *http.Response, err error) bool { return r != nil && r.StatusCode == 429 },
			func(s Stats) int64 { return s.Refused }},
		{"bad accept", Faults{BadAcceptEvery: 2},
			func(r *http.Response, err error) bool { return r != nil && r.StatusCode == 101 },
			func(s Stats) int64 { return s.BadAccept }},
		{"hang up", Faults{HangUpEvery: 2},
			func(r *http.Response, err error) bool { return r == nil && errors.Is(err, io.ErrUnexpectedEOF) },
			func(s Stats) int64 { return s.HungUp }},
		{"silent", Faults{SilentEvery: 2},
			func(r *http.Response, err error) bool { return r == nil && errors.Is(err, os.ErrDeadlineExceeded) },
			func(s Stats) int64 { return s.Silent }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := Start(t, Options{Faults: tc.f})
			for i := range 6 {
				d := websocket.Dialer{HandshakeTimeout: patience}
				if tc.f.SilentEvery > 0 && i%2 == 1 {
					d.HandshakeTimeout = 50 * time.Millisecond
				}
				c, resp, err := d.Dial(s.URL(), nil)
				if c != nil {
					defer c.Close()
				}
				if i%2 == 0 && err != nil {
					t.Errorf("%d: %v", i, err)
				}
				if i%2 == 1 && (err == nil || !tc.is(resp, err)) {
					t.Errorf("%d: got %v, %v", i, resp, err)
				}
			}
			if st := s.Stats(); tc.stats(st) != 3 || st.Accepted != 6 {
				t.Errorf("got %+v", st)
			}
		})
	}
}

func TestSlowUpgradeInPieces(t *testing.T) {
	const slow = 30 * time.Millisecond
	s := Start(t, Options{Faults: Faults{SlowUpgrade: slow, UpgradeChunk: 1}, Welcome: "w"})
	begun := time.Now()
	c := dial(t, s.URL())
	if d := time.Since(begun); d < slow {
		t.Errorf("took %v, want %v at least", d, slow)
	}
	want(t, c, "w")
}

func TestCloseEvery(t *testing.T) {
	s := Start(t, Options{Faults: Faults{Close: Close{Every: 3, Code: 4001, Reason: "third"}}})
	a, b := dial(t, s.URL()), dial(t, s.URL())
	send(t, a, "1")
	want(t, a, "1")
	send(t, b, "2")
	want(t, b, "2")
	send(t, b, "3")
	want(t, b, "3")
	var closed *websocket.CloseError
	if _, _, err := b.ReadMessage(); !errors.As(err, &closed) || closed.Code != 4001 || closed.Text != "third" {
		t.Errorf("got %v", err)
	}
	await.Until(t, "the connection to end", func() bool { return s.Conns() == 1 })
	if st := atRest(t, s, 3); st.ClosedByUs != 1 || st.ClosedByYou != 0 || st.Vanished != 0 {
		t.Errorf("got %+v", st)
	}
}

func TestCloseWithoutCodeAndReset(t *testing.T) {
	s := Start(t, Options{})
	c := dial(t, s.URL())
	s.CloseAll(Close{})
	if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNoStatusReceived) {
		t.Errorf("got %v", err)
	}
	await.Until(t, "the connection to end", func() bool { return s.Conns() == 0 })

	c = dial(t, s.URL())
	s.CloseAll(Close{Abrupt: true})
	if _, _, err := c.ReadMessage(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
	await.Until(t, "the connection to end", func() bool { return s.Conns() == 0 })
	if st := s.Stats(); st.ClosedByUs != 1 || st.ResetByUs != 1 || st.Vanished != 0 {
		t.Errorf("got %+v", st)
	}
}

// TestCloseRandom has connections closed after a number of frames that the seed
// gives: the same for the same seed, not for another.
func TestCloseRandom(t *testing.T) {
	lives := func(seed uint64) (all string) {
		s := Start(t, Options{Seed: seed, Faults: Faults{Close: Close{Random: 10, Code: 1011}}})
		for range 20 {
			c, n := dial(t, s.URL()), 0
			for ; ; n++ {
				_ = c.WriteMessage(websocket.TextMessage, []byte("x"))
				if _, _, err := c.ReadMessage(); err != nil {
					break
				}
			}
			if n < 1 || n > 19 {
				t.Errorf("closed after %d", n)
			}
			all += fmt.Sprint(n, " ")
		}
		if st := s.Stats(); st.ClosedByUs != 20 {
			t.Errorf("got %+v", st)
		}
		return all
	}
	a, b, c := lives(1), lives(1), lives(2)
	if a != b || a == c {
		t.Errorf("seed 1: %sagain: %sseed 2: %s", a, b, c)
	}
}

func TestPings(t *testing.T) {
	s := Start(t, Options{})
	a, b := dial(t, s.URL()), dial(t, s.URL())
	for _, c := range []*websocket.Conn{a, b} {
		go func() {
			for {
				if _, _, err := c.ReadMessage(); err != nil {
					return
				}
			}
		}()
	}
	s.SetFaults(Faults{PingEvery: 5 * time.Millisecond})
	await.Until(t, "pongs", func() bool { return s.Stats().Pongs >= 10 })
	s.SetFaults(Faults{})
	await.Until(t, "all pongs", func() bool { st := s.Stats(); return st.Pings == st.Pongs && st.BadPongs == 0 })
}

// TestStall has everything wait for the end of a stall, one for all.
func TestStall(t *testing.T) {
	s := Start(t, Options{})
	a, b := dial(t, s.URL()), dial(t, s.URL())
	const every, stands = 400 * time.Millisecond, 390 * time.Millisecond
	before := time.Now()
	s.SetFaults(Faults{Stall: Stall{Every: every, For: stands}})
	await.Until(t, "the stall to begin", func() bool { return s.faults.Load().stallLeft(time.Now()) > 0 })
	send(t, a, "a")
	send(t, b, "b")
	await.Until(t, "both to be answered", func() bool { return s.Stats().Due == 2 })
	s.Broadcast("all")
	post(t, s.PublishURL("broadcast"), `{"message":"more"}`)
	answered := time.Since(before)
	want(t, a, "a")
	if d := time.Since(before); d < every || answered < every {
		t.Errorf("came after %v, the publish was answered after %v, in the stall that lasts until %v", d, answered, every)
	}
	s.SetFaults(Faults{})
	want(t, a, "all", "more")
	want(t, b, "b", "all", "more")
	if st := atRest(t, s, 6); st.Stalled == 0 || st.Stalled > 6 {
		t.Errorf("got %+v", st)
	}
}

func TestStallClock(t *testing.T) {
	f := newFaultSet(Faults{Stall: Stall{Every: 5 * time.Second, For: 200 * time.Millisecond}})
	for at, want := range map[time.Duration]time.Duration{
		0: 0, 4799 * time.Millisecond: 0, 4800 * time.Millisecond: 200 * time.Millisecond,
		4999 * time.Millisecond: time.Millisecond, 5 * time.Second: 0, 9900 * time.Millisecond: 100 * time.Millisecond,
	} {
		if got := f.stallLeft(f.since.Add(at)); got != want {
			t.Errorf("at %v: got %v, want %v", at, got, want)
		}
	}
}

func TestNoReadMakesBackpressure(t *testing.T) {
	s := Start(t, Options{Faults: Faults{NoRead: true}})
	c := dial(t, s.URL())
	text := []byte(strings.Repeat("x", 64<<10))
	sent := int64(0)
	for {
		_ = c.NetConn().SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := c.NetConn().Write(make([]byte, 1)); err != nil { // fills what is left
			break
		}
		if sent++; sent > 64<<20 {
			t.Fatal("64 MiB were taken by a server that does not read")
		}
		if _, err := c.NetConn().Write(text); err != nil {
			var ne net.Error
			if !errors.As(err, &ne) || !ne.Timeout() {
				t.Fatalf("got %v, want a timeout", err)
			}
			break
		}
	}
	if st := s.Stats(); st.Received != 0 || st.BadFrames != 0 {
		t.Errorf("got %+v", st)
	}
	d := dial(t, s.URL())
	send(t, d, "later")
	s.SetFaults(Faults{})
	want(t, d, "later")
}

// TestManyConnections has broadcasts and echoes on a thousand at once.
func TestManyConnections(t *testing.T) {
	s := Start(t, Options{})
	const conns, each = 1000, 20
	var clients []*websocket.Conn
	for range conns {
		clients = append(clients, dial(t, s.URL()))
	}
	if s.Conns() != conns {
		t.Fatalf("got %d connections", s.Conns())
	}
	for i := range each {
		s.Broadcast(fmt.Sprint("b", i))
	}
	for _, c := range clients {
		for i := range each {
			want(t, c, fmt.Sprint("b", i))
		}
		c.Close()
	}
	st := atRest(t, s, conns*each)
	if st.Sent != conns*each || st.Undelivered != 0 {
		t.Errorf("got %+v", st)
	}
	await.Until(t, "all to be gone", func() bool { return s.Conns() == 0 })
}
