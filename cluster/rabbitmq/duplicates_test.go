package rabbitmq

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestWindow(t *testing.T) {
	var w window
	handle := func(number uint64) (fresh bool) {
		if w.has(number) {
			return false
		}
		w.add(number)
		return true
	}
	for _, step := range []struct {
		number uint64
		fresh  bool
	}{
		{1, true}, {1, false}, {2, true}, {1, false},
		{5, true}, {4, true}, {3, true}, {4, false}, {5, false},
		{64, true}, {63, true}, {128, true}, {64, false}, {65, true},
		{windowSize, true}, {6, true}, {6, false},
		{windowSize + 6, true}, {6, false}, {7, true}, {8, true},
		{windowSize + 9, true}, {9, false}, {10, true}, {windowSize + 8, true}, {windowSize + 8, false},
		{5 * windowSize, true}, {windowSize + 9, false}, {4*windowSize + 1, true}, {4 * windowSize, false}, {5 * windowSize, false},
		{1 << 60, true}, {1<<60 - 1, true}, {1<<60 - windowSize, false}, {5 * windowSize, false},
	} {
		if got := handle(step.number); got != step.fresh {
			t.Errorf("%d: fresh is %v, want %v", step.number, got, step.fresh)
		}
	}
}

// A publisher with a window of messages under way, whose connections break, reaches a
// receiver of some of them exactly once each.
func TestWindowIsExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var w window
		handled := make(map[uint64]int)
		mine := func(number uint64) bool { return number%7 == 0 || number%100 < 3 }
		const last = 6000
		for confirmed := uint64(0); confirmed < last; {
			// One connection: in order, from the first that is not confirmed, some way.
			end := min(confirmed+1+random.Uint64N(windowSize), last)
			for n := confirmed + 1; n <= end; n++ {
				if mine(n) && !w.has(n) {
					w.add(n)
					handled[n]++
				}
			}
			confirmed += random.Uint64N(end - confirmed + 1)
			if random.IntN(4) == 0 {
				confirmed = end
			}
		}
		for n := uint64(1); n <= last; n++ {
			if want := map[bool]int{true: 1}[mine(n)]; handled[n] != want {
				t.Fatalf("%d was handled %d times, want %d", n, handled[n], want)
			}
		}
	}
}

func TestPublishersAreForgotten(t *testing.T) {
	var d duplicates
	for i := range maxPublishers {
		d.of(fmt.Sprint(i)).add(1)
	}
	d.of("0") // is not idle
	d.of("one more").add(1)
	if len(d.publishers) != maxPublishers {
		t.Errorf("%d are remembered", len(d.publishers))
	}
	for publisher, known := range map[string]bool{"0": true, "1": false, "2": true, "one more": true} {
		if got := d.publishers[publisher] != nil; got != known {
			t.Errorf("%s: remembered is %v", publisher, got)
		}
	}
}

// The broker delivers again, in order and marked, what it has not seen acknowledged,
// and then the rest.
func TestReplay(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		const prefetch = 16
		r := newReplay(prefetch)
		var queue []string
		for i := range 200 {
			queue = append(queue, fmt.Sprint("m", i))
		}
		acknowledged, delivered := 0, 0 // by the broker
		var handled []string
		for acknowledged < len(queue) {
			r.reconnected()
			again := delivered
			var tag uint64
			at, ackedByUs := acknowledged, acknowledged
			for range random.IntN(40) {
				if at == len(queue) {
					break
				}
				if at-acknowledged >= prefetch { // it delivers no more before it sees an acknowledgement
					ackedByUs = max(ackedByUs, acknowledged+1+random.IntN(at-acknowledged))
					acknowledged = ackedByUs
				}
				tag++
				body := []byte(queue[at])
				marked := at < again
				if !marked {
					r.fresh()
				}
				if !marked || !r.again(body) {
					handled = append(handled, queue[at])
				}
				r.handled(tag, body)
				at++
				if random.IntN(3) == 0 {
					ackedByUs = at
				}
			}
			// The broker has delivered some more that were not looked at, and has seen
			// some of the acknowledgements.
			delivered = max(delivered, min(at+random.IntN(prefetch), acknowledged+prefetch, len(queue)))
			acknowledged += random.IntN(ackedByUs - acknowledged + 1)
		}
		if len(handled) != len(queue) {
			t.Fatalf("%d were handled, want %d: %q", len(handled), len(queue), handled)
		}
		for i := range queue {
			if handled[i] != queue[i] {
				t.Fatalf("%d: got %s", i, handled[i])
			}
		}
	}
}

// Two messages that are the same are told apart as far as can be.
func TestReplayOfEqualMessages(t *testing.T) {
	r := newReplay(16)
	same := []byte("tick")
	for tag := range uint64(3) {
		r.handled(tag+1, same)
	}
	r.reconnected()
	for i, want := range []bool{true, true, true, false, false} {
		if got := r.again(same); got != want {
			t.Errorf("delivery %d: again is %v", i, got)
		}
	}
	r.reconnected()
	r.fresh()
	if r.again(same) {
		t.Error("something new was on the way already, and yet an old one comes again")
	}
}

func TestMessageID(t *testing.T) {
	start := newStart()
	if len(start) != startLen || start == newStart() {
		t.Errorf("got start %q", start)
	}
	for _, node := range []string{"a", "node:1", ":", "é"} {
		p, n, ok := parseMessageID(messageID(publisherOf(node, start), 42))
		if p != node+":"+start || n != 42 || !ok {
			t.Errorf("%q: got %q, %d, %v", node, p, n, ok)
		}
	}
	for _, id := range []string{"", ":", "a:b:1", "42", "a:0123456789abcdef:", "a:0123456789abcdef:x", "a:0123456789abcdef:0", "a:0123456789abcdef:-1",
		"0123456789abcdef:1", "a0123456789abcdef:1", "a:0123456789abcdef:18446744073709551616"} {
		if p, n, ok := parseMessageID(id); ok {
			t.Errorf("%q: got %q, %d", id, p, n)
		}
	}
}

func FuzzMessageID(f *testing.F) {
	f.Add("a:0123456789abcdef:1")
	f.Add("::0123456789abcdef:007")
	f.Fuzz(func(t *testing.T, id string) {
		p, n, ok := parseMessageID(id)
		if !ok || len(p) > maxNodeID {
			return
		}
		if p2, n2, ok := parseMessageID(messageID(p, n)); !ok || p2 != p || n2 != n {
			t.Errorf("%q: got %q, %d and %q, %d", id, p, n, p2, n2)
		}
	})
}
