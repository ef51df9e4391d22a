package faulty

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"carillon/bench/internal/await"
)

func TestSwapsOfNeighbours(t *testing.T) {
	s := Start(t, Options{Faults: Faults{SwapEvery: 1, SwapWait: time.Hour}})
	c := dial(t, s.URL())
	for i := range 6 {
		s.Broadcast(fmt.Sprint(i))
	}
	want(t, c, "1", "0", "3", "2", "5", "4")
	if st := atRest(t, s, 6); st.Swapped != 3 || st.Held != 0 {
		t.Errorf("got %+v", st)
	}
}

func TestSwapsOfDelayedFrames(t *testing.T) {
	s := Start(t, Options{Faults: Faults{SwapEvery: 1, SwapWait: time.Hour, Delay: 30 * time.Millisecond}})
	c := dial(t, s.URL())
	begun := time.Now()
	s.Broadcast("a")
	s.Broadcast("b")
	want(t, c, "b", "a")
	if d := time.Since(begun); d < 30*time.Millisecond {
		t.Errorf("came after %v", d)
	}
}

// TestNothingComesAfterAClose has what is due after a close frame neither sent
// nor made faulty.
func TestNothingComesAfterAClose(t *testing.T) {
	s := Start(t, Options{})
	c := dial(t, s.URL())
	s.CloseAll(Close{Code: 1012})
	s.SetFaults(Faults{DropEvery: 1})
	s.Broadcast("after")
	if _, b, err := c.ReadMessage(); !websocket.IsCloseError(err, 1012) {
		t.Errorf("got %q, %v", b, err)
	}
	if st := atRest(t, s, 1); st.Undelivered != 1 || st.Dropped != 0 || st.Sent != 0 {
		t.Errorf("got %+v", st)
	}
}

// TestQueuedFramesOfConnectionsThatEnd has frames wait for their time, which
// does not come.
func TestQueuedFramesOfConnectionsThatEnd(t *testing.T) {
	s := Start(t, Options{Faults: Faults{Delay: time.Hour}})
	c := dial(t, s.URL())
	for range 7 {
		s.Broadcast("x")
	}
	c.Close()
	await.Until(t, "the end", func() bool { return s.Conns() == 0 })
	if st := atRest(t, s, 7); st.Undelivered != 7 || st.Vanished != 1 {
		t.Errorf("got %+v", st)
	}
}

func TestConcurrentBroadcastsKeepOneOrder(t *testing.T) {
	s := Start(t, Options{})
	var clients []*websocket.Conn
	for range 30 {
		clients = append(clients, dial(t, s.URL()))
	}
	const publishers, rounds = 4, 500
	for i := range rounds { // each round begins at once, or else they would hardly meet
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for p := range publishers {
			wg.Go(func() {
				<-begin
				s.Broadcast(fmt.Sprint(p, "/", i))
			})
		}
		close(begin)
		wg.Wait()
	}
	var order []string
	for range publishers * rounds {
		order = append(order, receive(t, clients[0]))
	}
	for _, c := range clients[1:] {
		want(t, c, order...)
	}
}

// TestFramesInPieces writes a request byte by byte.
func TestFramesInPieces(t *testing.T) {
	s := Start(t, Options{})
	c := dial(t, s.URL())
	for _, b := range []byte("\x81\x85\x01\x02\x03\x04" + "\x69\x67\x6f\x68\x6e" + "\x89\x81\x00\x00\x00\x00p") {
		if _, err := c.NetConn().Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	pong := make(chan string, 1)
	c.SetPongHandler(func(text string) error { pong <- text; return nil })
	want(t, c, "hello")
	send(t, c, "end")
	want(t, c, "end")
	if got := <-pong; got != "p" {
		t.Errorf("got %q", got)
	}
}

func TestPongsOfPingsThatWereNeverSent(t *testing.T) {
	s := Start(t, Options{})
	c := dial(t, s.URL())
	for _, payload := range []string{"ping 1", "ping 0", "ping -1", "ping x", "ping", ""} {
		if err := c.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
	}
	await.Until(t, "them to be counted", func() bool { return s.Stats().BadPongs == 6 })
	if st := s.Stats(); st.Pongs != 0 {
		t.Errorf("got %+v", st)
	}
}

// TestItemsAlone has pieces of an upgrade leave in writes of their own.
func TestItemsAlone(t *testing.T) {
	s := Start(t, Options{})
	c := newConn(s, nil, "", false)
	for _, it := range []item{{b: []byte("1"), alone: true}, {b: []byte("2"), alone: true}, {b: []byte("3")}, {b: []byte("4")}, {b: []byte("5"), alone: true}} {
		c.enqueue(it)
	}
	var got []int
	for len(c.queue) > 0 {
		got = append(got, len(c.take(nil, false)))
	}
	if fmt.Sprint(got) != "[1 1 2 1]" {
		t.Errorf("got writes of %v items", got)
	}
}
