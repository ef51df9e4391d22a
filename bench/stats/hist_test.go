package stats_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"carillon/bench/stats"
)

// durations draws n of them, from far below a microsecond to beyond an hour.
func durations(rng *rand.Rand, n int) []time.Duration {
	all := make([]time.Duration, n)
	for i := range all {
		all[i] = time.Duration(math.Pow(10, 2+rng.Float64()*11))
	}
	return all
}

// within tells whether two durations are the same to three digits.
func within(a, b time.Duration) bool {
	return math.Abs(float64(a-b)) <= max(float64(b)/1000, float64(time.Microsecond))
}

func TestHistAgainstAll(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 10, 999, 20_000} {
		all := durations(rng, n)
		var h stats.Hist
		for _, d := range all {
			h.Record(d)
		}
		for i, d := range all { // what is longer counts as an hour
			all[i] = min(d, time.Hour)
		}
		slices.Sort(all)
		sum := 0.0
		for _, d := range all {
			sum += float64(d)
		}
		if h.Count() != int64(n) || h.Min() != all[0] || h.Max() != all[n-1] || math.Abs(float64(h.Mean())-sum/float64(n)) > 1 {
			t.Errorf("%d: got %d, %v to %v, mean %v; want %v to %v, mean %v", n, h.Count(), h.Min(), h.Max(), h.Mean(), all[0], all[n-1], sum/float64(n))
		}
		for _, q := range []float64{0, .01, .25, .5, .75, .9, .99, .999, .9999, 1} {
			want := all[max(int(math.Ceil(q*float64(n))), 1)-1]
			if got := h.Quantile(q); !within(got, want) || got > h.Max() {
				t.Errorf("%d: p%v is %v, want %v", n, 100*q, got, want)
			}
		}
		for range 50 {
			limit := all[rng.IntN(n)]
			// To the precision of the histogram: those within three digits of the limit may count or not.
			low, high := 0, 0
			for _, d := range all {
				if d > limit+limit/500+2*time.Microsecond {
					low++
				}
				if d > limit-limit/500-2*time.Microsecond {
					high++
				}
			}
			if got := h.Above(limit); got < int64(low) || got > int64(high) {
				t.Errorf("%d: %d above %v, want %d to %d", n, got, limit, low, high)
			}
		}
		if h.Above(time.Hour) != 0 || h.Above(-1) != int64(n) {
			t.Errorf("%d: %d above an hour, %d above nothing", n, h.Above(time.Hour), h.Above(-1))
		}
	}
}

// However it was split and in whichever order it is put together, it is the same.
func TestHistMerge(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	all := durations(rng, 5000)
	var whole stats.Hist
	parts := make([]stats.Hist, 7)
	for _, d := range all {
		whole.Record(d)
		parts[rng.IntN(6)].Record(d) // the last one stays empty
	}
	want, _ := json.Marshal(&whole)
	for range 20 {
		rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		var sum stats.Hist
		sum.Merge(nil)
		for i := range parts {
			sum.Merge(&parts[i])
		}
		if sum.Count() != whole.Count() || sum.Min() != whole.Min() || sum.Max() != whole.Max() || math.Abs(float64(sum.Mean()-whole.Mean())) > 1 || sum.Quantile(.99) != whole.Quantile(.99) {
			t.Fatalf("got %d, %v to %v, mean %v, p99 %v", sum.Count(), sum.Min(), sum.Max(), sum.Mean(), sum.Quantile(.99))
		}
		b, err := json.Marshal(&sum)
		if err != nil {
			t.Fatal(err)
		}
		var back stats.Hist
		if err := json.Unmarshal(b, &back); err != nil || back.Count() != whole.Count() || back.Quantile(.5) != whole.Quantile(.5) || back.Max() != whole.Max() || back.Min() != whole.Min() {
			t.Fatalf("after JSON: %v, %d, want %s", err, back.Count(), want)
		}
	}
}

func TestHistEdges(t *testing.T) {
	t.Parallel()
	var none *stats.Hist
	var h stats.Hist
	for _, x := range []*stats.Hist{none, &h} {
		if x.Count() != 0 || x.Quantile(.5) != 0 || x.Max() != 0 || x.Min() != 0 || x.Mean() != 0 || x.Above(0) != 0 {
			t.Errorf("an empty histogram is not empty: %+v", x)
		}
		if b, err := json.Marshal(x); err != nil || string(b) != "null" {
			t.Errorf("got %s, %v", b, err)
		}
	}
	h.RecordN(time.Second, 0)
	h.RecordN(time.Second, -5)
	if h.Count() != 0 {
		t.Error("no durations were recorded, and yet some are there")
	}
	h.Record(-time.Second)
	if h.Min() != 0 || h.Max() != 0 || h.Count() != 1 {
		t.Errorf("a negative one: got %v to %v", h.Min(), h.Max())
	}
	h.RecordN(2*time.Hour, 3)
	if h.Max() != time.Hour || h.Count() != 4 {
		t.Errorf("a long one: got %v", h.Max())
	}
	h.Reset()
	if h.Count() != 0 || h.Max() != 0 || h.Quantile(1) != 0 {
		t.Error("a reset one is not empty")
	}
	h.Record(5 * time.Millisecond)
	if h.Min() != 5*time.Millisecond || h.Quantile(0) != 5*time.Millisecond || h.Quantile(2) != 5*time.Millisecond || h.Quantile(-1) != 5*time.Millisecond {
		t.Errorf("got %v, %v", h.Min(), h.Quantile(0))
	}
	for _, bad := range []string{`{"hdr":"x"}`, `7`, `{`, `{"hdr":""}`} {
		var x stats.Hist
		if err := json.Unmarshal([]byte(bad), &x); err == nil {
			t.Errorf("%s is a histogram", bad)
		}
	}
}

func FuzzHistJSON(f *testing.F) {
	b, _ := json.Marshal(sample(100))
	f.Add(b)
	f.Add([]byte("null"))
	f.Add([]byte(`{"hdr":"HISTFAAAA","min_ns":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h stats.Hist
		if json.Unmarshal(b, &h) != nil || h.Count() == 0 {
			return
		}
		h.Record(time.Millisecond)
		_, _ = h.Quantile(.5), h.Above(time.Second)
	})
}

func BenchmarkHistRecord(b *testing.B) {
	h := sample(10)
	b.ReportAllocs()
	for b.Loop() {
		h.Record(123 * time.Microsecond)
	}
}

func BenchmarkHistMerge(b *testing.B) {
	h, o := sample(10_000), sample(10_000)
	b.ReportAllocs()
	for b.Loop() {
		h.Merge(o)
	}
}
