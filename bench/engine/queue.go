package engine

// ring is a FIFO that grows and keeps its memory.
type ring[T any] struct {
	buf        []T // length a power of two
	head, size int
}

func (r *ring[T]) push(v T) {
	if r.size == len(r.buf) {
		buf := make([]T, max(16, 2*len(r.buf)))
		n := copy(buf, r.buf[r.head:])
		copy(buf[n:], r.buf[:r.head])
		r.buf, r.head = buf, 0
	}
	r.buf[(r.head+r.size)&(len(r.buf)-1)] = v
	r.size++
}

// pop removes the oldest element; r is not empty.
func (r *ring[T]) pop() T {
	var zero T
	v := r.buf[r.head]
	r.buf[r.head] = zero
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.size--
	return v
}

// front is the oldest element; r is not empty.
func (r *ring[T]) front() *T { return &r.buf[r.head] }

// waiting is a connection with the time by which something has to have happened.
type waiting struct {
	c  *conn
	by int64
}

// deadlines is a heap of waiting connections, the most urgent one first.
type deadlines []waiting

func (d *deadlines) push(w waiting) {
	h := append(*d, w)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if h[up].by <= w.by {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = w
	*d = h
}

// pop removes the most urgent one; d is not empty.
func (d *deadlines) pop() waiting {
	h := *d
	first, last := h[0], h[len(h)-1]
	h[len(h)-1] = waiting{}
	h = h[:len(h)-1]
	i := 0
	for 2*i+1 < len(h) {
		down := 2*i + 1
		if down+1 < len(h) && h[down+1].by < h[down].by {
			down++
		}
		if h[down].by >= last.by {
			break
		}
		h[i] = h[down]
		i = down
	}
	if len(h) > 0 {
		h[i] = last
	}
	*d = h
	return first
}
