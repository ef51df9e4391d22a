package engine

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRing(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	var r ring[int]
	var want []int
	for i := range 100_000 {
		if rng.IntN(1+i/1000%3) == 0 || len(want) == 0 {
			r.push(i)
			want = append(want, i)
			continue
		}
		if *r.front() != want[0] {
			t.Fatalf("front: got %d, want %d", *r.front(), want[0])
		}
		if got := r.pop(); got != want[0] || r.size != len(want)-1 {
			t.Fatalf("pop: got %d of %d, want %d of %d", got, r.size, want[0], len(want)-1)
		}
		want = want[1:]
	}
	var p ring[*int]
	p.push(new(int))
	p.pop()
	if p.buf[0] != nil {
		t.Error("what was popped is still held")
	}
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	var d deadlines
	var want []int64
	for range 20_000 {
		if rng.IntN(2) == 0 || len(want) == 0 {
			by := rng.Int64N(1000)
			d.push(waiting{by: by})
			at, _ := slices.BinarySearch(want, by)
			want = slices.Insert(want, at, by)
			continue
		}
		if got := d.pop().by; got != want[0] || len(d) != len(want)-1 {
			t.Fatalf("got %d of %d, want %d of %d", got, len(d), want[0], len(want)-1)
		}
		want = want[1:]
	}
}
