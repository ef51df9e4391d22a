package netpoll

// broadcastLog is the bounded byte ring of a shard's broadcasts, already
// framed. Positions are absolute and never wrap; a connection's offset is such a
// position, so what it still has to get is head-offset bytes. Loop only.
type broadcastLog struct {
	buf  []byte // length is a power of two
	head uint64 // position after the last byte
	max  int    // bytes kept at most
}

// logStart is the first size of the ring; it doubles on demand.
const logStart = 16 << 10

const (
	// logBase is the position at which the log of a shard begins: high enough for
	// a backlog to reach below it.
	logBase = 1 << 40
	// noTail is a position beyond every log.
	noTail = ^uint64(0)
)

func newBroadcastLog(max int) broadcastLog {
	return broadcastLog{max: max}
}

// append adds a whole frame. oldest is the lowest position that is still
// needed; the caller made sure that head+len(frame)-oldest <= max.
func (l *broadcastLog) append(frame []byte, oldest uint64) {
	if need := int(l.head-oldest) + len(frame); need > len(l.buf) {
		l.resize(need, oldest)
	}
	at := int(l.head) & (len(l.buf) - 1)
	n := copy(l.buf[at:], frame)
	copy(l.buf, frame[n:])
	l.head += uint64(len(frame))
}

func (l *broadcastLog) resize(need int, oldest uint64) {
	size := max(len(l.buf), logStart)
	for size < need {
		size <<= 1
	}
	buf := make([]byte, size)
	if n := uint64(len(l.buf)); l.head-oldest > n {
		oldest = l.head - n // the ring never held more; oldest is an estimate
	}
	for pos := oldest; pos < l.head; {
		seg := l.segment(pos, l.head)
		for len(seg) > 0 {
			n := copy(buf[int(pos)&(size-1):], seg)
			seg = seg[n:]
			pos += uint64(n)
		}
	}
	l.buf = buf
}

// segment returns the bytes from position from up to position to, or up to the
// end of the ring when they wrap. Valid until the next append.
func (l *broadcastLog) segment(from, to uint64) []byte {
	at := int(from) & (len(l.buf) - 1)
	n := int(to - from)
	if at+n > len(l.buf) {
		n = len(l.buf) - at
	}
	return l.buf[at : at+n]
}

// copyRange appends the bytes from position from up to position to to dst.
func (l *broadcastLog) copyRange(dst []byte, from, to uint64) []byte {
	for from < to {
		seg := l.segment(from, to)
		dst = append(dst, seg...)
		from += uint64(len(seg))
	}
	return dst
}
