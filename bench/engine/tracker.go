package engine

import "math/bits"

// tracker follows one stream of numbered messages at one receiver: which came,
// which came twice or late, and so which never did. It remembers the last 64
// numbers; what is older can not be told from a duplicate and counts as one
// unless a gap is open.
type tracker struct {
	seen  uint64 // bit i: number next-1-i came
	next  uint32 // highest number that came, plus 1
	got   uint32 // distinct numbers that came
	first uint32 // the first number this receiver has to get, as far as is known
	epoch uint8
	begun bool
}

// arrival is what a number is to a tracker.
type arrival uint8

const (
	inOrder arrival = iota
	outOfOrder
	duplicate
)

const window = 64

// begin makes t expect the numbers from first on.
func (t *tracker) begin(epoch uint8, first uint32) {
	*t = tracker{next: first, first: first, epoch: epoch, begun: true}
}

// see takes the number of a message that came.
func (t *tracker) see(seq uint32) arrival {
	if seq >= t.next {
		if d := seq - t.next + 1; d < window {
			t.seen = t.seen<<d | 1
		} else {
			t.seen = 1
		}
		t.next = seq + 1
		t.got++
		return inOrder
	}
	back := t.next - 1 - seq
	earlier := seq < t.first // the receiver was there before the one that came first
	if earlier {
		t.first = seq
	}
	if back < window {
		if t.seen&(1<<back) != 0 {
			return duplicate
		}
		t.seen |= 1 << back
		t.got++
		return outOfOrder
	}
	if !earlier && t.missing() <= t.recentGaps() {
		return duplicate // every older number has come
	}
	t.got++
	return outOfOrder
}

// missing is how many numbers below next have not come.
func (t *tracker) missing() uint32 { return t.next - t.first - t.got }

// recentGaps is how many of the last 64 numbers have not come.
func (t *tracker) recentGaps() uint32 {
	span := min(t.next-t.first, window)
	return span - uint32(bits.OnesCount64(t.seen))
}
