package local

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
)

// Items come in order and once, whatever holds them up in between.
func TestSerial(t *testing.T) {
	const items = 20_000
	var got []int
	s := serial[int]{handle: func(i int) { got = append(got, i) }}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range items {
		if random.IntN(100) == 0 {
			s.hold(random.IntN(3) > 0)
		}
		if !s.put(i) {
			t.Fatal("not taken")
		}
	}
	s.hold(false)
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(got) != items {
		t.Fatalf("got %d items, want %d", len(got), items)
	}
	for i, v := range got {
		if v != i {
			t.Fatalf("at %d: got %d", i, v)
		}
	}
	if cap(s.items) > 1024 {
		t.Errorf("room for %d items is kept", cap(s.items))
	}
}

// A queue that is never empty does not grow for ever.
func TestSerialStaysSmall(t *testing.T) {
	s := serial[int]{held: true, handle: func(int) {}}
	for i := range 10 {
		s.put(i)
	}
	for i := 10; i < 100_000; i++ {
		s.put(i)
		s.mu.Lock()
		if got := s.take(); got != i-10 {
			t.Fatalf("got %d, want %d", got, i-10)
		}
		s.mu.Unlock()
	}
	if cap(s.items) > 1024 {
		t.Errorf("got room for %d items, at most 11 were there", cap(s.items))
	}
}

func TestSerialStop(t *testing.T) {
	s := serial[int]{held: true, handle: func(i int) { t.Errorf("%d was handled", i) }}
	s.put(1)
	s.put(2)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.flush(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if left := s.stop(); len(left) != 2 || left[0] != 1 || left[1] != 2 {
		t.Errorf("got %v, want 1 and 2", left)
	}
	s.hold(false)
	if s.put(3) {
		t.Error("taken after the end")
	}
	if err := s.flush(t.Context()); err != nil {
		t.Error(err)
	}
}
