package rabbitmq

import "strings"

// windowSize is how many messages of one publisher can be under way at once: sent,
// and not confirmed by the broker.
const windowSize = 1024

// maxPublishers is how many publishers are remembered: each start of a node is one.
const maxPublishers = 4096

// duplicates remembers which messages of which publisher were handled.
//
// This is exact. A publisher sends a message again only while it is among the last
// windowSize, and whatever it sends again it sends in order: so of a number further
// back than that behind the highest handled, the first copy was queued, and
// handled, before. Within the window there is a bit for each. That a number was
// not seen tells nothing, because most of them go to other nodes.
//
// It holds for what the broker delivers again after the consumer's connection was
// lost: those are in their old places in the queue, and the ones that were handled
// are remembered here.
type duplicates struct {
	publishers map[string]*window
	clock      uint64
}

type window struct {
	high uint64
	bits [windowSize / 64]uint64
	used uint64 // clock of the last message
}

// of returns the window of a publisher, making it when it is new.
func (d *duplicates) of(publisher string) *window {
	d.clock++
	w := d.publishers[publisher]
	if w == nil {
		if d.publishers == nil {
			d.publishers = make(map[string]*window)
		}
		if len(d.publishers) >= maxPublishers {
			d.forgetIdlest()
		}
		w = &window{}
		d.publishers[strings.Clone(publisher)] = w
	}
	w.used = d.clock
	return w
}

func (d *duplicates) forgetIdlest() {
	var idlest string
	oldest := d.clock + 1
	for publisher, w := range d.publishers {
		if w.used < oldest {
			idlest, oldest = publisher, w.used
		}
	}
	delete(d.publishers, idlest)
}

func (w *window) has(number uint64) bool {
	switch {
	case number > w.high:
		return false
	case w.high-number >= windowSize:
		return true
	}
	return w.bits[number/64%uint64(len(w.bits))]&(1<<(number%64)) != 0
}

func (w *window) add(number uint64) {
	if number > w.high {
		if number-w.high >= windowSize {
			clear(w.bits[:])
		} else {
			for n := w.high + 1; n < number; n++ {
				w.bits[n/64%uint64(len(w.bits))] &^= 1 << (n % 64)
			}
		}
		w.high = number
	}
	w.bits[number/64%uint64(len(w.bits))] |= 1 << (number % 64)
}
