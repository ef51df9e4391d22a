package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"carillon/bench/peers/internal/figures"
)

// row is a tool at a work, over all rounds.
type row struct {
	Work   string  `json:"work"`
	Tool   string  `json:"tool"`
	Median float64 `json:"median"` // CPU seconds per million messages, or bytes per connection
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Rate   float64 `json:"messages_per_second"` // median
	Asked  float64 `json:"messages_per_second_asked"`
	Conns  int     `json:"connections"`
	Runs   int     `json:"runs"`

	OfK6      float64 `json:"of_k6,omitempty"`      // Median over the cheapest k6's
	OfGorilla float64 `json:"of_gorilla,omitempty"` // Median over gorilla's
}

// summarise returns a row for each tool and work, in the order of the samples.
func summarise(samples []sample) (rows []row) {
	type key struct{ work, tool string }
	var order []key
	values, rates := map[key][]float64{}, map[key][]float64{}
	about := map[key]sample{}
	for _, s := range samples {
		k := key{s.Work, s.Tool}
		if _, known := about[k]; !known {
			order = append(order, k)
			about[k] = s
		}
		v := s.PerMillion
		if s.Work == idle {
			v = s.PerConn
		}
		values[k], rates[k] = append(values[k], v), append(rates[k], s.Rate)
	}
	for _, k := range order {
		v := values[k]
		rows = append(rows, row{
			Work: k.work, Tool: k.tool, Median: figures.Median(v), Low: slices.Min(v), High: slices.Max(v),
			Rate: figures.Median(rates[k]), Asked: about[k].Asked, Conns: about[k].Conns, Runs: len(v),
		})
	}
	for i := range rows {
		for _, other := range rows {
			if other.Work != rows[i].Work || other.Median <= 0 {
				continue
			}
			ratio := rows[i].Median / other.Median
			switch other.Tool {
			case "gorilla":
				rows[i].OfGorilla = ratio
			case "k6", "k6-shared", "k6-ws":
				rows[i].OfK6 = max(rows[i].OfK6, ratio) // the cheapest k6 is the one to beat
			}
		}
	}
	return rows
}

// write prints the tables, as Markdown.
func write(w io.Writer, rows []row) error {
	titles := map[string]string{
		broadcast: "CPU s per million received", echo: "CPU s per million sent, each answered", idle: "KiB per idle connection",
	}
	for _, work := range allWorks {
		t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
		head := false
		for _, r := range rows {
			if r.Work != work {
				continue
			}
			if !head {
				head = true
				fmt.Fprintf(t, "| client\t| %s\t| lowest to highest of %d\t| of k6\t| of gorilla\t| per second\t| connections\t|\n", titles[work], r.Runs)
				fmt.Fprint(t, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|\n")
			}
			unit, rate := 1.0, fmt.Sprintf("%.0f of %.0f", r.Rate, r.Asked)
			if work == idle {
				unit, rate = 1024, ""
			}
			fmt.Fprintf(t, "| %s\t| %.2f\t| %.2f to %.2f\t| %s\t| %s\t| %s\t| %d\t|\n", r.Tool,
				r.Median/unit, r.Low/unit, r.High/unit, times(r.OfK6), times(r.OfGorilla), rate, r.Conns)
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

func times(ratio float64) string {
	if ratio == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", ratio)
}
