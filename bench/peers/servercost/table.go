package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// row is a server at a step, over all rounds.
type row struct {
	Step   string  `json:"step"`
	Server string  `json:"server"`
	Median float64 `json:"median"` // CPU seconds per million operations, or bytes per connection
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	OfC    float64 `json:"of_c,omitempty"` // the median of the ratios of each round
	Rate   float64 `json:"operations_per_second,omitempty"`
	Failed int64   `json:"failed"` // operations of all rounds
	Conns  int64   `json:"connections"`
	Runs   int     `json:"runs"`
}

// summarise returns a row for each step and server, by step, the cheapest first.
func summarise(samples []sample) (rows []row) {
	type key struct {
		step, server string
		round        int
	}
	base := map[key]float64{}
	for _, s := range samples {
		if s.Server == baseline {
			base[key{step: s.Step, round: s.Round}] = s.value()
		}
	}
	at := map[key]int{}
	var values, ratios, rates [][]float64
	for _, s := range samples {
		k := key{step: s.Step, server: s.Server}
		i, known := at[k]
		if !known {
			i = len(rows)
			at[k] = i
			rows = append(rows, row{Step: s.Step, Server: s.Server, Conns: s.Conns})
			values, ratios, rates = append(values, nil), append(ratios, nil), append(rates, nil)
		}
		rows[i].Failed += s.Failed
		rows[i].Runs++
		values[i], rates[i] = append(values[i], s.value()), append(rates[i], s.Rate)
		if of := base[key{step: s.Step, round: s.Round}]; of > 0 {
			ratios[i] = append(ratios[i], s.value()/of)
		}
	}
	for i := range rows {
		rows[i].Median, rows[i].Low, rows[i].High = median(values[i]), slices.Min(values[i]), slices.Max(values[i])
		rows[i].Rate = median(rates[i])
		if len(ratios[i]) > 0 {
			rows[i].OfC = median(ratios[i])
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		if x, y := slices.Index(allSteps, a.Step), slices.Index(allSteps, b.Step); x != y {
			return x - y
		}
		switch {
		case a.Median < b.Median:
			return -1
		case a.Median > b.Median:
			return 1
		}
		return 0
	})
	return rows
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

// titles say what the median of a step is, and its operations.
var titles = map[string][2]string{
	heartbeat: {"CPU s per million heartbeats, each connection waits for the answer", "heartbeats/s"},
	sparse:    {"CPU s per million heartbeats at a rate", "heartbeats/s"},
	broadcast: {"CPU s per million frames, one broadcast at a time", "frames/s"},
	burst:     {"CPU s per million frames, several broadcasts at once", "frames/s"},
	connect:   {"CPU s per million connects", "connects/s"},
	idle:      {"bytes per idle connection", ""},
}

// write prints a table for each step, as Markdown.
func write(w io.Writer, rows []row) error {
	for _, step := range allSteps {
		t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
		head := false
		for _, r := range rows {
			if r.Step != step {
				continue
			}
			if !head {
				head = true
				fmt.Fprintf(t, "| server\t| %s\t| lowest to highest of %d\t| of C\t| %s\t| failed\t| connections\t|\n", titles[step][0], r.Runs, titles[step][1])
				fmt.Fprint(t, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|\n")
			}
			digits, ratio, rate := 2, "", ""
			if step == idle {
				digits = 0
			} else {
				rate = fmt.Sprintf("%.0f", r.Rate)
			}
			if r.OfC > 0 {
				ratio = fmt.Sprintf("%.2f", r.OfC)
			}
			fmt.Fprintf(t, "| %s\t| %.*f\t| %.*f to %.*f\t| %s\t| %s\t| %d\t| %d\t|\n", r.Server,
				digits, r.Median, digits, r.Low, digits, r.High, ratio, rate, r.Failed, r.Conns)
		}
		if head {
			fmt.Fprint(t, "\n")
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}
