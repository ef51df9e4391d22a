package rabbitmq

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"carillon/cluster"
)

func numbers(o *outbox) (list []uint64) {
	for m := o.next(); m != nil; m = o.next() {
		list = append(list, m.number)
	}
	return list
}

func filled(n int) (*outbox, []*message) {
	o := newOutbox(1<<20, time.Minute)
	var all []*message
	for range n {
		m := &message{rest: make([]byte, 100)}
		o.add(m)
		all = append(all, m)
	}
	return o, all
}

func TestOutboxSendsAgainWhatIsNotConfirmed(t *testing.T) {
	o, all := filled(5)
	if got := numbers(o); len(got) != 5 || got[0] != 1 {
		t.Errorf("got %d", got)
	}
	o.confirm(all[0])
	o.confirm(all[2])
	o.rewind()
	if got := numbers(o); len(got) != 3 || got[0] != 2 || got[1] != 4 || got[2] != 5 {
		t.Errorf("got %d", got)
	}
	for _, i := range []int{3, 4, 1} {
		o.confirm(all[i])
	}
	var s cluster.BusStats
	o.stats(&s)
	if s.OutboxBytes != 0 || s.OutboxMessages != 0 || s.OutboxAge != 0 || s.Published != 5 || s.Confirmed != 5 {
		t.Errorf("got %+v", s)
	}
}

// A receiver tells duplicates from new ones within a window.
func TestOutboxKeepsToTheWindow(t *testing.T) {
	o, all := filled(3 * windowSize)
	if got := numbers(o); len(got) != windowSize {
		t.Fatalf("%d are under way", len(got))
	}
	for _, m := range all[1:windowSize] { // all but the first
		o.confirm(m)
	}
	if got := numbers(o); len(got) != 0 {
		t.Errorf("%d are sent before the first is confirmed", got)
	}
	o.rewind()
	if got := numbers(o); len(got) != 1 || got[0] != 1 {
		t.Errorf("got %d, the window begins with 1", got)
	}
	o.confirm(all[0])
	if got := numbers(o); len(got) != windowSize || got[0] != windowSize+1 {
		t.Errorf("got %d", got)
	}
}

func TestOutboxBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox(2*(100+messageCost), 10*time.Second)
		admits := func(want bool) {
			t.Helper()
			err := o.admit()
			if got := err == nil; got != want || err != nil && !errors.Is(err, cluster.ErrOutboxFull) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		first, second := &message{rest: make([]byte, 100)}, &message{rest: make([]byte, 100)}
		admits(true)
		o.add(first)
		admits(true)
		time.Sleep(5 * time.Second)
		o.add(second)
		admits(false) // bytes
		o.next()
		o.next()
		o.confirm(first)
		admits(true)
		time.Sleep(9 * time.Second)
		admits(true)
		time.Sleep(time.Second)
		admits(false) // age
		over := &message{}
		if !o.add(over) {
			t.Error("what was accepted is dropped")
		}
		o.next()
		o.confirm(second)
		admits(true)
		o.confirm(over)
		admits(true)
		var s cluster.BusStats
		if o.stats(&s); s.Refused != 2 {
			t.Errorf("got %+v", s)
		}
	})
}

// A payload on its way to several nodes is there once, and counts once, until the last
// of them has it. One that reads the same is another.
func TestOutboxCountsASharedPayloadOnce(t *testing.T) {
	o := newOutbox(1<<20, time.Minute)
	payload := strings.Repeat("x", 1<<16)
	var all []*message
	for range 30 {
		m := &message{payload: payload}
		o.add(m)
		all = append(all, m)
	}
	counts := func(want int) {
		t.Helper()
		var s cluster.BusStats
		if o.stats(&s); s.OutboxBytes != want {
			t.Errorf("got %d bytes, want %d", s.OutboxBytes, want)
		}
	}
	counts(len(payload) + 30*messageCost)
	other := &message{payload: strings.Clone(payload)}
	part := &message{payload: payload[:100]}
	o.add(other)
	o.add(part)
	counts(2*len(payload) + 100 + 32*messageCost)
	numbers(o)
	o.rewind()
	numbers(o)
	for _, m := range all[1:] {
		o.confirm(m)
	}
	counts(2*len(payload) + 100 + 3*messageCost)
	o.confirm(all[0])
	counts(len(payload) + 100 + 2*messageCost)
	o.confirm(other)
	o.confirm(part)
	counts(0)
}

func TestOutboxCloses(t *testing.T) {
	o, all := filled(2)
	drained := func() bool {
		select {
		case <-o.drained:
			return true
		default:
			return false
		}
	}
	numbers(o)
	o.confirm(all[0])
	o.close()
	if drained() {
		t.Error("drained before all is confirmed")
	}
	if o.add(&message{}) {
		t.Error("a closed outbox takes a message")
	}
	if rest := o.abandon(); len(rest) != 1 || rest[0] != all[1] {
		t.Errorf("got %v", rest)
	}
	o, all = filled(1)
	o.close()
	numbers(o)
	o.confirm(all[0])
	if !drained() {
		t.Error("not drained")
	}
}

// The memory of what was confirmed is given back, also when it never runs empty.
func TestOutboxDoesNotGrow(t *testing.T) {
	o, all := filled(100)
	for range 100 * windowSize {
		m := &message{}
		o.add(m)
		all = append(all, m)
		o.next()
		o.confirm(all[0])
		all = all[1:]
	}
	if n := cap(o.messages); n > 8*windowSize {
		t.Errorf("room for %d messages", n)
	}
}
