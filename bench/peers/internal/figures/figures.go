// Package figures is what the measuring commands hand on: what servers cost at a
// step, over several rounds.
package figures

import "slices"

// Spread is a figure over several rounds.
type Spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	// Of is the median of the ratios to the baseline's figure of the same round, OfLow
	// and OfHigh are the lowest and the highest; 0: there are none.
	Of     float64 `json:"of_baseline,omitempty"`
	OfLow  float64 `json:"of_baseline_low,omitempty"`
	OfHigh float64 `json:"of_baseline_high,omitempty"`
	// Values has the figure of each round, in their order.
	Values []float64 `json:"values"`
	Rounds []int     `json:"rounds"` // of the values
}

// Row is a server at a step.
type Row struct {
	Step    string            `json:"step"`
	Server  string            `json:"server"`
	Figures map[string]Spread `json:"figures"`
	Failed  int64             `json:"failed"` // operations of all rounds
	Conns   int64             `json:"connections"`
	Runs    int               `json:"runs"`
}

// Report is what a command saves.
type Report struct {
	Settings any   `json:"settings"`
	Samples  any   `json:"samples"`
	Rows     []Row `json:"rows"`
}

// SpreadOf returns the spread of values, one at least, and that of ratios, if
// there are any.
func SpreadOf(values, ratios []float64) Spread {
	s := Spread{Median: Median(values), Low: slices.Min(values), High: slices.Max(values), Values: values}
	if len(ratios) > 0 {
		s.Of, s.OfLow, s.OfHigh = Median(ratios), slices.Min(ratios), slices.Max(ratios)
	}
	return s
}

// Median returns the middle of values, one at least.
func Median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}
