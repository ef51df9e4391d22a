package stats

import (
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Bounds and precision of every histogram: 1 us to 1 h, three significant digits.
const (
	lowest  = int64(time.Microsecond)
	highest = int64(time.Hour)
	digits  = 3
)

// Hist is a histogram of durations: 1 us to 1 h, each kept to three significant
// digits. Shorter ones count as what they are, longer ones as 1 h. The zero
// value is empty and ready; a full one takes about 200 KB.
type Hist struct {
	h   *hdrhistogram.Histogram
	max int64 // exact, in ns; the histogram's own is rounded up
	min int64
	sum float64 // ns
}

// Record adds one duration; a negative one counts as 0.
func (h *Hist) Record(d time.Duration) { h.RecordN(d, 1) }

// RecordN adds n equal durations.
func (h *Hist) RecordN(d time.Duration, n int64) {
	if n <= 0 {
		return
	}
	if h.h == nil {
		h.h = hdrhistogram.New(lowest, highest, digits)
	}
	v := min(max(int64(d), 0), highest)
	if h.h.TotalCount() == 0 || v < h.min {
		h.min = v
	}
	h.max = max(h.max, v)
	h.sum += float64(v) * float64(n)
	_ = h.h.RecordValues(v, n) // v is within the bounds
}

// Merge adds what o holds. o is not changed and may be nil.
func (h *Hist) Merge(o *Hist) {
	if o == nil || o.Count() == 0 {
		return
	}
	if h.h == nil {
		h.h = hdrhistogram.New(lowest, highest, digits)
	}
	if h.h.TotalCount() == 0 || o.min < h.min {
		h.min = o.min
	}
	h.max = max(h.max, o.max)
	h.sum += o.sum
	h.h.Merge(o.h)
}

// Reset empties h and keeps its memory.
func (h *Hist) Reset() {
	if h.h != nil {
		h.h.Reset()
	}
	h.max, h.min, h.sum = 0, 0, 0
}

// Count is the number of durations recorded.
func (h *Hist) Count() int64 {
	if h == nil || h.h == nil {
		return 0
	}
	return h.h.TotalCount()
}

// Quantile returns the shortest of the recorded durations that a share q (0 to 1)
// of them does not exceed, to the precision of the histogram; 0 when h is empty.
// It lies between Min and Max.
func (h *Hist) Quantile(q float64) time.Duration {
	n := float64(h.Count())
	if n == 0 {
		return 0
	}
	// The library rounds ranks, so that of few durations a share near 0 would be none.
	rank := max(math.Ceil(min(max(q, 0), 1)*n*(1-1e-12)), 1)
	return time.Duration(min(max(h.h.ValueAtPercentile(rank/n*100), h.min), h.max))
}

// Above returns how many of the recorded durations exceed d, to the precision
// of the histogram.
func (h *Hist) Above(d time.Duration) int64 {
	var n int64
	if h.Count() == 0 {
		return 0
	}
	for _, b := range h.h.Distribution() {
		if b.From > int64(d) {
			n += b.Count
		}
	}
	return n
}

// Max returns the longest duration recorded, exactly.
func (h *Hist) Max() time.Duration {
	if h == nil {
		return 0
	}
	return time.Duration(h.max)
}

// Min returns the shortest duration recorded, exactly.
func (h *Hist) Min() time.Duration {
	if h == nil {
		return 0
	}
	return time.Duration(h.min)
}

// Mean returns the mean of the recorded durations; 0 when h is empty.
func (h *Hist) Mean() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.sum / float64(h.Count()))
}

// wire is a histogram on its way to another process or into a report.
type wire struct {
	Hist string  `json:"hdr"` // HdrHistogram V2 compressed, base64; other HDR tools read it
	Min  int64   `json:"min_ns"`
	Max  int64   `json:"max_ns"`
	Sum  float64 `json:"sum_ns"`
}

// MarshalJSON writes h with its HdrHistogram V2 encoding, null when it is empty.
func (h *Hist) MarshalJSON() ([]byte, error) {
	if h.Count() == 0 {
		return []byte("null"), nil
	}
	b, err := h.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, err
	}
	return json.Marshal(wire{string(b), h.min, h.max, h.sum})
}

// errDamagedHist says that a histogram can not be decoded.
var errDamagedHist = errors.New("stats: damaged histogram")

// errForeignHist says that a histogram was not made by this version of the format.
var errForeignHist = errors.New("stats: histogram of other bounds")

// UnmarshalJSON reads what MarshalJSON wrote.
func (h *Hist) UnmarshalJSON(b []byte) (err error) {
	*h = Hist{}
	defer func() {
		if recover() != nil { // the library indexes what it has not checked
			*h, err = Hist{}, errDamagedHist
		}
	}()
	var w *wire
	if err := json.Unmarshal(b, &w); err != nil || w == nil {
		return err
	}
	d, err := hdrhistogram.Decode([]byte(w.Hist))
	if err != nil {
		return err
	}
	if d.LowestTrackableValue() != lowest || d.HighestTrackableValue() != highest || d.SignificantFigures() != digits {
		return errForeignHist
	}
	h.h, h.min, h.max, h.sum = d, w.Min, w.Max, w.Sum
	return nil
}
