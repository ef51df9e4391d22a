package codec

import (
	"bytes"
	"io"
	"sync"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"
)

// flushTail ends every flushed deflate stream and is not sent (RFC 7692 section
// 7.2.1); a reader puts it back. finalBlock, an empty last block, makes a reader
// of flate see a clean end.
const (
	flushTail  = "\x00\x00\xff\xff"
	finalBlock = "\x01\x00\x00\xff\xff"
	streamEnd  = flushTail + finalBlock
)

// deflater is a pooled flate.Writer with the buffer it writes to. It weighs
// some hundred KB, hence the pool.
type deflater struct {
	w   *flate.Writer
	buf []byte
}

func (d *deflater) Write(b []byte) (int, error) {
	d.buf = append(d.buf, b...)
	return len(b), nil
}

// deflaters has one pool per level, flate.BestSpeed at index 0.
var deflaters [flate.BestCompression]sync.Pool

// defaultLevel is what flate.DefaultCompression stands for.
const defaultLevel = 5

// maxRestarts bounds how often one message may go on after a BFINAL block. Each
// time costs a copy of the 32 KiB window for as little as two bytes of input; no
// real client does it more than once.
const maxRestarts = 16

// maxDeflaterBuffer bounds the buffer that goes back to the pool with its writer.
const maxDeflaterBuffer = 64 << 10

// AppendDeflated appends one whole unmasked permessage-deflate frame (RSV1, RFC
// 7692 section 7.2.1, no context takeover), whether or not it is smaller than the
// plain one. level is 1 to 9; others mean the library's default. Any goroutine.
func AppendDeflated(dst []byte, op ws.OpCode, payload []byte, level int) []byte {
	if level < flate.BestSpeed || level > flate.BestCompression {
		level = defaultLevel
	}
	pool := &deflaters[level-1]
	d, _ := pool.Get().(*deflater)
	if d == nil {
		d = new(deflater)
		w, err := flate.NewWriter(d, level)
		if err != nil {
			panic("BUG: deflate level " + err.Error())
		}
		d.w = w
	} else {
		d.w.Reset(d)
	}
	d.buf = d.buf[:0]
	_, err := d.w.Write(payload)
	if err == nil {
		err = d.w.Flush()
	}
	if err != nil || !bytes.HasSuffix(d.buf, []byte(flushTail)) {
		panic("BUG: deflate into memory did not end with a flush")
	}
	out := d.buf[:len(d.buf)-len(flushTail)]
	dst = AppendHeader(dst, op, true, true, len(out))
	dst = append(dst, out...)
	if cap(d.buf) > maxDeflaterBuffer {
		d.buf = nil
	}
	pool.Put(d)
	return dst
}

// inflater decompresses one message after the other. Its reader (40 KB) is made
// when the first compressed message comes. The zero value is ready.
type inflater struct {
	r    io.ReadCloser // also a flate.Resetter
	src  bytes.Reader
	in   []byte // the compressed message and streamEnd
	none [1]byte
}

// run returns the message in a buffer of pool (RFC 7692 section 7.2.2). Output
// is bounded by limit while it runs: ErrTooBig after limit+1 bytes, whatever the
// rest would become. Damaged data is ErrBadDeflate.
func (f *inflater) run(pool *bufferPool, payload []byte, limit int) ([]byte, *CloseError) {
	f.in = append(append(f.in[:0], payload...), streamEnd...)
	f.src.Reset(f.in)
	if f.r == nil {
		f.r = flate.NewReader(&f.src)
	} else {
		f.reset(nil)
	}
	out, err := f.read(pool, limit)
	f.src.Reset(nil)
	if cap(f.in) > maxDeflaterBuffer {
		f.in = nil
	}
	if err != nil {
		pool.put(out)
		return nil, err
	}
	return out, nil
}

func (f *inflater) reset(dict []byte) {
	if err := f.r.(flate.Resetter).Reset(&f.src, dict); err != nil {
		panic("BUG: flate reset: " + err.Error())
	}
}

func (f *inflater) read(pool *bufferPool, limit int) ([]byte, *CloseError) {
	out := pool.get(min(4*len(f.in), limit))
	restarts := 0
	for {
		if len(out) == cap(out) && len(out) < limit {
			bigger := pool.get(min(2*cap(out), limit))
			bigger = append(bigger, out...)
			pool.put(out)
			out = bigger
		}
		// At the limit one more byte is asked for, to tell "exactly" from "over".
		space := out[len(out):min(cap(out), limit)]
		if len(space) == 0 {
			space = f.none[:]
		}
		n, err := f.r.Read(space)
		if n > 0 {
			if len(out) == limit {
				return out, ErrTooBig
			}
			out = out[:len(out)+n]
		}
		switch {
		case err == nil:
		case err != io.EOF:
			return out, ErrBadDeflate
		case f.src.Len() == 0 || f.src.Len() == len(streamEnd):
			// All of it; or a last block (BFINAL) that ended with the payload.
			return out, nil
		case f.src.Len() < len(streamEnd):
			return out, ErrBadDeflate // the data reached into what we added
		case restarts == maxRestarts:
			return out, ErrBadDeflate
		default:
			restarts++
			// A block with BFINAL does not end the message: the next one follows
			// on the byte boundary (RFC 7692 section 7.2.3.4).
			f.reset(out[max(0, len(out)-32<<10):])
		}
	}
}
