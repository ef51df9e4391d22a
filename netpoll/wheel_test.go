package netpoll

import (
	"math/rand/v2"
	"testing"
)

// TestWheelFiresAtItsTick schedules slots at distances around every level
// boundary and checks that each comes up exactly once, at its tick.
func TestWheelFiresAtItsTick(t *testing.T) {
	t.Parallel()
	for _, start := range []uint32{0, 1, 63, 64, 4095, 4096, 262143, 1<<32 - 70, 1<<32 - 1} {
		w := newWheel(start)
		dist := []uint32{1, 2, 62, 63, 64, 65, 127, 128, 4094, 4095, 4096, 4097, 8191, 8192, 20000, 262143, 262144, 262145, 300000}
		w.grow(len(dist))
		for i, d := range dist {
			w.schedule(uint32(i), start+d)
		}
		fired := make(map[uint32]uint32)
		for step := uint32(1); step <= 300001; step++ {
			w.advance(start+step, func(slot uint32) {
				if _, twice := fired[slot]; twice {
					t.Fatalf("start %d: slot %d came up twice", start, slot)
				}
				fired[slot] = step
			})
		}
		for i, d := range dist {
			if fired[uint32(i)] != d {
				t.Errorf("start %d: distance %d came up after %d ticks", start, d, fired[uint32(i)])
			}
		}
	}
}

// TestWheelModel compares the wheel with a plain map under random scheduling,
// cancelling and jumps.
func TestWheelModel(t *testing.T) {
	t.Parallel()
	const slots = 200
	rnd := rand.New(rand.NewPCG(1, 2))
	w := newWheel(0)
	w.grow(slots)
	model := make(map[uint32]uint32)
	now := uint32(0)
	for range 20000 {
		slot := uint32(rnd.IntN(slots))
		switch rnd.IntN(4) {
		case 0:
			w.cancel(slot)
			delete(model, slot)
		case 1, 2:
			at := now + uint32(rnd.IntN(10000)) - 5
			w.schedule(slot, at)
			if int32(at-now) <= 0 {
				at = now + 1
			}
			model[slot] = at
		case 3:
			now += uint32(rnd.IntN(50))
			w.advance(now, func(slot uint32) {
				at, ok := model[slot]
				if !ok || at != w.now {
					t.Fatalf("tick %d: slot %d came up, want tick %d (scheduled %v)", w.now, slot, at, ok)
				}
				delete(model, slot)
			})
			for s, at := range model {
				if int32(at-now) <= 0 {
					t.Fatalf("tick %d: slot %d due at %d did not come up", now, s, at)
				}
			}
		}
	}
}

// TestWheelBeyondSpan parks what lies beyond the wheel and gives it back early,
// never late: the owner looks and schedules it again.
func TestWheelBeyondSpan(t *testing.T) {
	t.Parallel()
	w := newWheel(7)
	w.grow(1)
	w.schedule(0, 7+wheelSpan*2)
	if got := w.at[0]; got != 7+wheelSpan {
		t.Fatalf("parked at %d, want %d", got, 7+wheelSpan)
	}
}

// BenchmarkWheel is one tick of a shard with 20,000 connections whose
// heartbeat deadline is visited once in 600 ticks.
func BenchmarkWheel(b *testing.B) {
	const slots = 20000
	w := newWheel(0)
	w.grow(slots)
	for i := range uint32(slots) {
		w.schedule(i, 1+i%600)
	}
	b.ReportAllocs()
	visited := 0
	for b.Loop() {
		w.advance(w.now+1, func(slot uint32) {
			visited++
			w.schedule(slot, w.now+600)
		})
	}
	b.ReportMetric(float64(visited)/float64(b.N), "visits/op")
}
