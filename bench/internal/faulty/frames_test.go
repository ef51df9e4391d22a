package faulty

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"

	"carillon/bench/internal/await"
)

// tally is what a client makes of numbered messages, as a load generator would.
type tally struct{ lost, duplicate, outOfOrder, wrong int }

// count has c send n numbered messages and looks at what comes back; come is
// how many.
func count(t *testing.T, c *websocket.Conn, n, come int) (got tally) {
	t.Helper()
	go func() {
		for i := range n {
			_ = c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "%d padding", i))
		}
	}()
	seen, last := make([]int, n), -1
	for range come {
		var i int
		var pad string
		_, err := fmt.Sscan(receive(t, c), &i, &pad)
		switch {
		case err != nil || i < 0 || i >= n:
			t.Fatalf("not a message of ours: %v", err)
		case pad != "padding":
			got.wrong++
		case seen[i] > 0:
			got.duplicate++
		case i < last:
			got.outOfOrder++
		}
		last = max(last, i)
		seen[i]++
	}
	for _, k := range seen {
		if k == 0 {
			got.lost++
		}
	}
	return got
}

func TestFaultsOfFramesAreExact(t *testing.T) {
	const n = 1000
	for _, tc := range []struct {
		name  string
		f     Faults
		come  int
		want  tally
		stats func(Stats) int64
	}{
		{"drop", Faults{DropEvery: 100}, 990, tally{lost: 10}, func(s Stats) int64 { return s.Dropped }},
		{"duplicate", Faults{DuplicateEvery: 100}, 1010, tally{duplicate: 10}, func(s Stats) int64 { return s.Duplicated }},
		{"corrupt", Faults{CorruptEvery: 100}, 1000, tally{wrong: 10}, func(s Stats) int64 { return s.Corrupted }},
		{"swap", Faults{SwapEvery: 99}, 1000, tally{outOfOrder: 10}, func(s Stats) int64 { return s.Swapped }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := Start(t, Options{Faults: tc.f})
			if got := count(t, dial(t, s.URL()), n, tc.come); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			if st := atRest(t, s, n); tc.stats(st) != 10 {
				t.Errorf("counted %+v", st)
			}
		})
	}
}

func TestFaultsDoNotShareFrames(t *testing.T) {
	const n = 1000
	s := Start(t, Options{Faults: Faults{DropEvery: 10, DuplicateEvery: 10, CorruptEvery: 10, SwapEvery: 10}})
	// 100 of 1000 are dropped, 90 of the other 900 come twice, 81 of 810 are
	// corrupted, 72 of 729 change places.
	got := count(t, dial(t, s.URL()), n, 990)
	st := atRest(t, s, n)
	if st.Dropped != 100 || st.Duplicated != 90 || st.Corrupted != 81 || st.Swapped+st.Late != 72 {
		t.Errorf("counted %+v", st)
	}
	if got.lost != 100 || got.duplicate != 90 || got.wrong != 81 || int64(got.outOfOrder) != st.Swapped {
		t.Errorf("got %+v, counted %+v", got, st)
	}
}

func TestFaultsOfBroadcastsCountOverAllConnections(t *testing.T) {
	s := Start(t, Options{Faults: Faults{DropEvery: 7}})
	clients := []*websocket.Conn{dial(t, s.URL()), dial(t, s.URL()), dial(t, s.URL())}
	for range 50 {
		s.Broadcast("x")
	}
	if st := atRest(t, s, 150); st.Dropped != 150/7 {
		t.Errorf("dropped %d", st.Dropped)
	}
	s.SetFaults(Faults{})
	s.Broadcast("end")
	got := 0
	for _, c := range clients {
		for receive(t, c) != "end" {
			got++
		}
	}
	if got != 150-150/7 {
		t.Errorf("came %d", got)
	}
}

func TestALoneFrameIsNotHeldForEver(t *testing.T) {
	s := Start(t, Options{Faults: Faults{SwapEvery: 1, SwapWait: 20 * time.Millisecond}})
	c := dial(t, s.URL())
	send(t, c, "alone")
	want(t, c, "alone")
	if st := atRest(t, s, 1); st.Late != 1 || st.Swapped != 0 || st.Held != 0 {
		t.Errorf("got %+v", st)
	}
}

func TestHeldFramesOfConnectionsThatEndAreAccountedFor(t *testing.T) {
	s := Start(t, Options{Faults: Faults{SwapEvery: 1, SwapWait: time.Hour}})
	c := dial(t, s.URL())
	send(t, c, "held")
	await.Until(t, "the frame to be held", func() bool { return s.Stats().Held == 1 })
	c.Close()
	await.Until(t, "it to be given up", func() bool { return s.Stats().Undelivered == 1 })
	if st := atRest(t, s, 1); st.Held != 0 || st.Swapped != 0 || st.Late != 0 {
		t.Errorf("got %+v", st)
	}
}

func TestCorruptedTextsAreUTF8(t *testing.T) {
	for _, text := range []string{"a", "ä", "日本語", "x日", "日x", "🙂"} {
		for offset := range len(text) + 2 {
			m := &message{op: ws.OpText, payload: []byte(text)}
			b := m.corrupted(offset)
			got := string(b[2:])
			if got == text || len(got) != len(text) || !utf8.ValidString(got) {
				t.Errorf("%q at %d: got %q", text, offset, got)
			}
		}
	}
}

func TestDelayKeepsOrder(t *testing.T) {
	const delay = 50 * time.Millisecond
	s := Start(t, Options{Faults: Faults{Delay: delay}})
	c := dial(t, s.URL())
	sent := time.Now()
	send(t, c, "1")
	send(t, c, "2")
	want(t, c, "1")
	if d := time.Since(sent); d < delay {
		t.Errorf("came after %v, want %v at least", d, delay)
	}
	want(t, c, "2")
}

func TestFragmentsAndPingsBetweenThem(t *testing.T) {
	s := Start(t, Options{Faults: Faults{FragmentBytes: 3, Interleave: true}})
	c := dial(t, s.URL())
	long := strings.Repeat("äöü", 100)
	send(t, c, long)
	want(t, c, long)
	send(t, c, "ab")
	want(t, c, "ab")
	await.Until(t, "every ping to be answered", func() bool { st := s.Stats(); return st.Pings == 199 && st.Pongs == 199 })
	if st := atRest(t, s, 2); st.BadPongs != 0 {
		t.Errorf("got %+v", st)
	}
	if err := c.WriteControl(websocket.PongMessage, []byte("of nothing"), time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "a pong of nothing to be counted", func() bool { return s.Stats().BadPongs == 1 })
}

func TestFragmentsAreWhatTheySay(t *testing.T) {
	s := Start(t, Options{Faults: Faults{FragmentBytes: 2}})
	got := string(s.encode(ws.OpText, []byte("12345")).frames)
	if want := "\x01\x0212" + "\x00\x0234" + "\x80\x015"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestViolations(t *testing.T) {
	const text = "violated"
	for v, bytes := range map[Violation]string{
		Masked:            "\x81\x88",
		ReservedBits:      "\xa1\x08violated",
		ReservedOpcode:    "\x83\x08violated",
		Orphan:            "\x80\x08violated",
		FragmentedControl: "\x09\x00\x81\x08violated",
		LongControl:       "\x89\x7e\x00\x7e",
		BadUTF8:           "\x81\x09\xffviolated",
		Unfinished:        "\x01\x00\x81\x08violated",
	} {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			s := Start(t, Options{Faults: Faults{ViolateEvery: 2, Violation: v}})
			c := dial(t, s.URL())
			send(t, c, "fine")
			want(t, c, "fine")
			send(t, c, text)
			if v == BadUTF8 { // the plain client does not look
				if got := receive(t, c); utf8.ValidString(got) {
					t.Errorf("got %q", got)
				}
			} else if _, b, err := c.ReadMessage(); err == nil {
				t.Errorf("the client took %q", b)
			}
			m := &message{op: ws.OpText, payload: []byte(text)}
			if got := string(m.violating(v)); !strings.HasPrefix(got, bytes) {
				t.Errorf("got %q, want %q", got, bytes)
			}
			if st := s.Stats(); st.Violations != 1 {
				t.Errorf("got %+v", st)
			}
		})
	}
}

func TestQueuesAreBounded(t *testing.T) {
	s := Start(t, Options{QueueBytes: 1 << 20})
	dial(t, s.URL()) // reads nothing
	reader := dial(t, s.URL())
	text := strings.Repeat("x", 256<<10)
	n := int64(0)
	for ; s.Stats().Overflowed == 0; n++ {
		s.Broadcast(text)
		want(t, reader, text)
	}
	if st := atRest(t, s, 2*n); st.Undelivered == 0 || st.Vanished != 0 {
		t.Errorf("got %+v", st)
	}
	await.Until(t, "the slow connection to end", func() bool { return s.Conns() == 1 })
}

// TestManyFramesBetweenTwoWrites has a writer meet more than one batch.
func TestManyFramesBetweenTwoWrites(t *testing.T) {
	s := Start(t, Options{Faults: Faults{Delay: 20 * time.Millisecond}})
	c := dial(t, s.URL())
	const n = 5000
	pad := strings.Repeat("x", 100)
	for i := range n {
		s.Broadcast(fmt.Sprint(i, pad))
	}
	for i := range n {
		want(t, c, fmt.Sprint(i, pad))
	}
	atRest(t, s, n)
}
