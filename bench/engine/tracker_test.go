package engine

import (
	"math/rand/v2"
	"testing"
)

// naive is a tracker that remembers everything.
type naive struct {
	came  map[uint32]bool
	first uint32
	next  uint32
}

func (n *naive) see(seq uint32) arrival {
	switch {
	case n.came[seq]:
		return duplicate
	case seq >= n.next:
		n.came[seq], n.next = true, seq+1
		return inOrder
	}
	n.came[seq], n.first = true, min(n.first, seq)
	return outOfOrder
}

// Sequences with losses, repetitions and disorder within the window are followed
// exactly.
func TestTrackerAgainstANaiveOne(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 600 {
		first := uint32(0)
		if rng.IntN(3) == 0 {
			first = rng.Uint32N(1 << 20)
		}
		tr, n := new(tracker), &naive{came: make(map[uint32]bool), first: first, next: first}
		tr.begin(2, first)
		late := rng.IntN(3) == 0 // the one that comes first tells where it begins
		lost, repeated, disorder := rng.Float64()*.3, rng.Float64()*.3, rng.IntN(window/2)
		var queue []uint32
		for seq := first; seq < first+500; seq++ {
			if rng.Float64() >= lost {
				queue = append(queue, seq)
				if rng.Float64() < repeated {
					queue = append(queue, seq)
				}
			}
			// What leaves is at most disorder numbers behind the newest.
			for len(queue) > 0 && (rng.IntN(2) == 0 || int(seq-queue[0]) >= disorder) {
				i := 0
				if int(seq-queue[0]) < disorder {
					i = rng.IntN(len(queue))
				}
				if late {
					late, n.first, n.next = false, queue[i], queue[i]
					tr.begin(2, queue[i])
				}
				got, want := tr.see(queue[i]), n.see(queue[i])
				if got != want {
					t.Fatalf("%d after %d: got %d, want %d", queue[i], n.next, got, want)
				}
				queue = append(queue[:i], queue[i+1:]...)
			}
		}
		if int(tr.got) != len(n.came) || tr.next != n.next || int(tr.missing()) != int(n.next-n.first)-len(n.came) {
			t.Fatalf("got %+v, want %d of %d", tr, len(n.came), n.next)
		}
	}
}

// What is older than the window: told apart as far as the sums allow, and never
// more came than there was.
func TestTrackerBeyondItsWindow(t *testing.T) {
	t.Parallel()
	var tr tracker
	tr.begin(1, 0)
	for seq := range uint32(200) {
		if seq != 7 {
			tr.see(seq)
		}
	}
	if a := tr.see(7); a != outOfOrder {
		t.Errorf("the missing one: got %d", a)
	}
	for _, seq := range []uint32{7, 0, 50, 199} {
		if a := tr.see(seq); a != duplicate {
			t.Errorf("%d again: got %d", seq, a)
		}
	}
	if tr.missing() != 0 || tr.got != 200 {
		t.Errorf("got %+v", tr)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 10_000 {
		tr.see(rng.Uint32N(tr.next + 200))
		if tr.got > tr.next-tr.first || tr.recentGaps() > window || tr.recentGaps() > tr.missing() {
			t.Fatalf("got %+v", tr)
		}
	}
}

// One that joined late and is told of a number before its first, however far
// before, has to get everything from there on.
func TestTrackerBeforeItsFirst(t *testing.T) {
	t.Parallel()
	for _, back := range []uint32{1, 5, window, 500} {
		var tr tracker
		tr.begin(1, 1000)
		tr.see(1000)
		if a := tr.see(1000 - back); a != outOfOrder || tr.missing() != back-1 {
			t.Errorf("%d before the first: got %d, %d missing", back, a, tr.missing())
		}
		if a := tr.see(1000); a != duplicate {
			t.Errorf("%d before the first, and the first again: got %d", back, a)
		}
	}
}

func TestTrackerJumps(t *testing.T) {
	t.Parallel()
	for _, jump := range []uint32{1, 2, 62, 63, 64, 65, 1000, 1 << 31} {
		var tr tracker
		tr.begin(1, 0)
		tr.see(0)
		if a := tr.see(jump); a != inOrder {
			t.Errorf("jump of %d: got %d", jump, a)
		}
		if tr.missing() != jump-1 || tr.see(jump) != duplicate {
			t.Errorf("jump of %d: got %+v", jump, tr)
		}
		if jump > 1 && jump < window && tr.see(0) != duplicate {
			t.Errorf("jump of %d: the first is forgotten", jump)
		}
	}
}

// The numbers of a stream end at 1<<32; the last ones are followed like others.
func TestTrackerAtTheEndOfNumbers(t *testing.T) {
	t.Parallel()
	var tr tracker
	tr.begin(1, 1<<32-100)
	for seq := uint32(1<<32 - 100); seq < 1<<32-2; seq++ {
		if a := tr.see(seq); a != inOrder {
			t.Fatalf("%d: got %d", seq, a)
		}
	}
	if tr.see(1<<32-3) != duplicate || tr.missing() != 0 {
		t.Errorf("got %+v", tr)
	}
}
