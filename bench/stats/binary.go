package stats

import (
	"encoding/binary"
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// MarshalBinary writes h for another process of the run: the buckets that are
// not empty, as pairs of distance and count. It costs an eighth of the JSON
// form, which is the one that other tools read.
func (h *Hist) MarshalBinary() ([]byte, error) {
	if h.Count() == 0 {
		return nil, nil
	}
	b := make([]byte, 0, 1024)
	b = binary.AppendVarint(b, h.min)
	b = binary.AppendVarint(b, h.max)
	b = binary.AppendUvarint(b, math.Float64bits(h.sum))
	last := 0
	for i, n := range h.h.Export().Counts {
		if n != 0 {
			b = binary.AppendUvarint(b, uint64(i-last))
			b = binary.AppendUvarint(b, uint64(n))
			last = i
		}
	}
	return b, nil
}

// UnmarshalBinary reads what MarshalBinary wrote.
func (h *Hist) UnmarshalBinary(b []byte) error {
	*h = Hist{}
	if len(b) == 0 {
		return nil
	}
	d := hdrhistogram.New(lowest, highest, digits)
	s := d.Export()
	good := true
	take := func(v uint64, n int) uint64 {
		if n <= 0 {
			good, n = false, len(b)
		}
		b = b[n:]
		return v
	}
	signed := func(v int64, n int) int64 { return int64(take(uint64(v), n)) }
	h.min, h.max = signed(binary.Varint(b)), signed(binary.Varint(b))
	h.sum = math.Float64frombits(take(binary.Uvarint(b)))
	for at := uint64(0); good && len(b) > 0; {
		at += take(binary.Uvarint(b))
		n := take(binary.Uvarint(b))
		if at >= uint64(len(s.Counts)) || n > math.MaxInt64 {
			good = false
			break
		}
		s.Counts[at] = int64(n)
	}
	if !good {
		*h = Hist{}
		return errDamagedHist
	}
	h.h = hdrhistogram.Import(s)
	return nil
}
