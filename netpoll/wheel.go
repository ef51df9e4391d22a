package netpoll

import "slices"

// A hierarchical timing wheel over the slots of a shard. A slot is in the wheel
// at most once; links live in one dense array, so scheduling costs no
// allocation and a million idle connections cost 10 bytes each.
//
// The wheel knows ticks only. Refreshing a deadline does not touch it (lazy
// refresh): the owner looks at the connection when its slot comes up and
// schedules it anew.

const (
	wheelBits   = 6
	wheelSlots  = 1 << wheelBits
	wheelMask   = wheelSlots - 1
	wheelLevels = 4
	// wheelSpan is the farthest distance the wheel can hold; what is later is
	// parked there and looked at again. With 100 ms ticks: 19 days.
	wheelSpan = 1<<(wheelBits*wheelLevels) - 1

	wheelNone = ^uint32(0)
	wheelFree = ^uint16(0)
)

type wheelLink struct {
	prev, next uint32
	bucket     uint16
}

type wheel struct {
	now   uint32
	heads [wheelLevels * wheelSlots]uint32
	links []wheelLink
	at    []uint32 // due tick by slot; needed when a bucket cascades
}

func newWheel(now uint32) *wheel {
	w := &wheel{now: now}
	for i := range w.heads {
		w.heads[i] = wheelNone
	}
	return w
}

// grow makes room for slots below n.
func (w *wheel) grow(n int) {
	for len(w.links) < n {
		w.links = append(w.links, wheelLink{wheelNone, wheelNone, wheelFree})
		w.at = append(w.at, 0)
	}
}

// shrink takes away the slots from n on, none of which is in the wheel.
func (w *wheel) shrink(n int) {
	w.links = slices.Clone(w.links[:n])
	w.at = slices.Clone(w.at[:n])
}

// schedule puts slot at tick at, moving it when it is in the wheel already.
// A tick that has passed comes up at the next one.
func (w *wheel) schedule(slot, at uint32) {
	w.cancel(slot)
	if int32(at-w.now) <= 0 {
		at = w.now + 1
	}
	w.insert(slot, at)
}

func (w *wheel) insert(slot, at uint32) {
	delta := at - w.now
	if delta > wheelSpan {
		at = w.now + wheelSpan
		delta = wheelSpan
	}
	level := uint32(0)
	for delta >= 1<<(wheelBits*(level+1)) {
		level++
	}
	b := level<<wheelBits | at>>(wheelBits*level)&wheelMask
	head := w.heads[b]
	w.links[slot] = wheelLink{prev: wheelNone, next: head, bucket: uint16(b)}
	w.at[slot] = at
	if head != wheelNone {
		w.links[head].prev = slot
	}
	w.heads[b] = slot
}

// cancel takes slot out of the wheel; a slot that is not in it is left alone.
func (w *wheel) cancel(slot uint32) {
	l := &w.links[slot]
	if l.bucket == wheelFree {
		return
	}
	if l.prev != wheelNone {
		w.links[l.prev].next = l.next
	} else {
		w.heads[l.bucket] = l.next
	}
	if l.next != wheelNone {
		w.links[l.next].prev = l.prev
	}
	*l = wheelLink{wheelNone, wheelNone, wheelFree}
}

// advance moves the wheel to tick to and calls due for every slot that comes
// up. A slot is out of the wheel when due is called; due may schedule and
// cancel any slot.
func (w *wheel) advance(to uint32, due func(slot uint32)) {
	for int32(to-w.now) > 0 {
		w.now++
		for level := uint32(1); level < wheelLevels && w.now&(1<<(wheelBits*level)-1) == 0; level++ {
			w.cascade(level<<wheelBits | w.now>>(wheelBits*level)&wheelMask)
		}
		b := w.now & wheelMask
		for slot := w.heads[b]; slot != wheelNone; slot = w.heads[b] {
			w.cancel(slot)
			due(slot)
		}
	}
}

// cascade spreads a bucket of an upper level over the ones below it.
func (w *wheel) cascade(b uint32) {
	slot := w.heads[b]
	w.heads[b] = wheelNone
	for slot != wheelNone {
		next := w.links[slot].next
		w.links[slot].bucket = wheelFree
		w.insert(slot, w.at[slot])
		slot = next
	}
}
