package codec

import "math/bits"

// Size classes of bufferPool are powers of two.
const (
	minClassBits = 9  // 512 B: smaller messages in pieces are not worth a class of their own
	maxClassBits = 16 // 64 KiB: longer buffers go to the garbage collector
	poolClasses  = maxClassBits - minClassBits + 1

	// maxClassBytes bounds what one class keeps, so that a burst of messages in
	// pieces does not stay for ever: 8 classes, at most 1 MiB per event loop.
	maxClassBytes = 128 << 10
)

// bufferPool keeps buffers of one event loop for reuse. The zero value is ready.
type bufferPool struct {
	free [poolClasses][][]byte
}

// get returns an empty buffer with a capacity of at least n.
func (p *bufferPool) get(n int) []byte {
	if n > 1<<maxClassBits {
		return make([]byte, 0, n)
	}
	c := max(bits.Len(uint(max(n, 1)-1)), minClassBits) - minClassBits
	if k := len(p.free[c]); k > 0 {
		b := p.free[c][k-1]
		p.free[c][k-1] = nil
		p.free[c] = p.free[c][:k-1]
		return b
	}
	return make([]byte, 0, 1<<(c+minClassBits))
}

// put takes a buffer back. Those that did not come from get, and those over the
// bounds, are left to the garbage collector.
func (p *bufferPool) put(b []byte) {
	c := bits.Len(uint(cap(b))) - 1 - minClassBits
	if c < 0 || c >= poolClasses || cap(b) != 1<<(c+minClassBits) {
		return
	}
	if (len(p.free[c])+1)<<(c+minClassBits) <= maxClassBytes {
		p.free[c] = append(p.free[c], b[:0])
	}
}
