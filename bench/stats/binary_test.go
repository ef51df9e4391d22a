package stats_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"carillon/bench/stats"
)

func sample(n int) *stats.Hist {
	h := new(stats.Hist)
	rng := rand.New(rand.NewPCG(1, 2))
	for range n {
		h.Record(time.Duration(rng.ExpFloat64() * float64(time.Millisecond)))
	}
	return h
}

func TestBinaryForm(t *testing.T) {
	for _, n := range []int{0, 1, 10_000} {
		h := sample(n)
		b, err := h.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var got stats.Hist
		if err := got.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		want, _ := json.Marshal(h)
		have, _ := json.Marshal(&got)
		if string(want) != string(have) || got.Count() != int64(n) {
			t.Errorf("of %d: got %s, want %s", n, have, want)
		}
	}
}

func FuzzBinaryForm(f *testing.F) {
	b, _ := sample(100).MarshalBinary()
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Add([]byte{0xff})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var h stats.Hist
		if h.UnmarshalBinary(b) != nil {
			if h.Count() != 0 {
				t.Error("a histogram that could not be read is not empty")
			}
			return
		}
		again, err := h.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var same stats.Hist
		if err := same.UnmarshalBinary(again); err != nil || same.Count() != h.Count() {
			t.Errorf("got %d, %v after another round, want %d", same.Count(), err, h.Count())
		}
	})
}

func BenchmarkForms(b *testing.B) {
	h := sample(10_000)
	b.Run("binary", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = h.MarshalBinary()
		}
	})
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = json.Marshal(h)
		}
	})
}
