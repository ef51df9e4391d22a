package netpoll

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestBroadcastLogModel appends frames of random sizes and reads from random
// retained positions, across wraps and growth.
func TestBroadcastLogModel(t *testing.T) {
	t.Parallel()
	const max = 100 << 10
	rnd := rand.New(rand.NewPCG(3, 4))
	l := newBroadcastLog(max)
	var all []byte
	oldest := uint64(0)
	for range 5000 {
		frame := make([]byte, 1+rnd.IntN(3000))
		for i := range frame {
			frame[i] = byte(rnd.Uint32())
		}
		if over := int64(l.head-oldest) + int64(len(frame)) - max; over > 0 || rnd.IntN(10) == 0 {
			oldest = l.head - uint64(rnd.IntN(int(l.head-oldest)+1))
			if int(l.head-oldest)+len(frame) > max {
				oldest = l.head
			}
		}
		l.append(frame, oldest)
		all = append(all, frame...)
		if l.head != uint64(len(all)) {
			t.Fatalf("head %d, want %d", l.head, len(all))
		}
		from := oldest + uint64(rnd.IntN(int(l.head-oldest)+1))
		if got := l.copyRange(nil, from, l.head); !bytes.Equal(got, all[from:]) {
			t.Fatalf("bytes from %d to %d differ", from, l.head)
		}
	}
	if len(l.buf) > 2*max {
		t.Errorf("ring grew to %d bytes for at most %d", len(l.buf), max)
	}
}
