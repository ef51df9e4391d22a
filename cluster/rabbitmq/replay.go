package rabbitmq

import "hash/maphash"

// replay tells, of messages without an id of ours, those that come again because
// their acknowledgement was lost with the connection.
//
// The broker delivers again, in order and before anything new, what it had
// delivered and not seen acknowledged. Acknowledgements go in order too, so this
// begins with a tail of what was handled, perhaps none, and goes on with what was
// not. Handled messages are remembered by the hash of their body, only as many as
// the prefetch lets be unacknowledged, and the ones that come again are matched
// against them in order.
//
// It cannot tell two messages with the same body: when the acknowledgement of one
// got through and the next one like it was not handled before the connection was
// lost, the latter is taken for the former. And it sees nothing that the broker
// does not mark, as after a crash of the broker.
type replay struct {
	seed     maphash.Seed
	prefetch uint64
	before   []uint64  // hashes of the connections before, oldest first
	now      []handled // of this connection
}

type handled struct {
	tag  uint64
	hash uint64
}

func newReplay(prefetch int) *replay {
	return &replay{seed: maphash.MakeSeed(), prefetch: uint64(prefetch)}
}

// reconnected begins a new connection.
func (r *replay) reconnected() {
	// What came again on the last one stood before what it did not get to.
	before := make([]uint64, 0, len(r.now)+len(r.before))
	for _, h := range r.now {
		before = append(before, h.hash)
	}
	r.before = append(before, r.before...)
	r.now = r.now[:0]
}

// fresh tells that the broker has come to messages that it delivers for the first time.
func (r *replay) fresh() { r.before = nil }

// again tells whether a message that the broker marks as delivered before was handled.
func (r *replay) again(body []byte) bool {
	if len(r.before) == 0 {
		return false
	}
	hash := maphash.Bytes(r.seed, body)
	for i, h := range r.before {
		if h == hash {
			r.before = r.before[i+1:]
			return true
		}
	}
	r.before = nil // the first that was not handled; nor were those after it
	return false
}

// handled remembers a message, by its delivery tag and body.
func (r *replay) handled(tag uint64, body []byte) {
	// The broker sends a tag when it has seen the acknowledgement of the one that is
	// the prefetch before it.
	i := 0
	for i < len(r.now) && r.now[i].tag+r.prefetch <= tag {
		i++
	}
	r.now = append(r.now[:copy(r.now, r.now[i:])], handled{tag, maphash.Bytes(r.seed, body)})
}
