package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"carillon/bench/peers/internal/figures"
)

// summarise returns a row for each step and server, by step, the cheapest first.
func summarise(samples []sample) (rows []figures.Row) {
	type key struct {
		step, server string
		round        int
	}
	base := map[key]sample{}
	for _, s := range samples {
		if s.Server == baselineOf(s.Step) {
			base[key{step: s.Step, round: s.Round}] = s
		}
	}
	type series struct {
		values, ratios []float64
		rounds         []int
	}
	at := map[key]int{}
	var all []map[string]*series
	for _, s := range samples {
		k := key{step: s.Step, server: s.Server}
		i, known := at[k]
		if !known {
			i = len(rows)
			at[k] = i
			rows = append(rows, figures.Row{Step: s.Step, Server: s.Server, Conns: s.Conns, Figures: map[string]figures.Spread{}})
			all = append(all, map[string]*series{})
		}
		rows[i].Failed += s.Failed
		rows[i].Runs++
		of := base[key{step: s.Step, round: s.Round}].Figures
		for name, value := range s.Figures {
			if all[i][name] == nil {
				all[i][name] = &series{}
			}
			all[i][name].values = append(all[i][name].values, value)
			all[i][name].rounds = append(all[i][name].rounds, s.Round)
			if of[name] > 0 {
				all[i][name].ratios = append(all[i][name].ratios, value/of[name])
			}
		}
	}
	for i := range rows {
		for name, s := range all[i] {
			f := figures.SpreadOf(s.values, s.ratios)
			f.Rounds = s.rounds
			rows[i].Figures[name] = f
		}
	}
	slices.SortStableFunc(rows, func(a, b figures.Row) int {
		if x, y := slices.Index(allSteps, a.Step), slices.Index(allSteps, b.Step); x != y {
			return x - y
		}
		first := columns[a.Step][0].figure
		switch x, y := a.Figures[first].Median, b.Figures[first].Median; {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return rows
}

// write prints the table of a step, if it has rows, as Markdown.
func write(w io.Writer, step string, rows []figures.Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	first, others := columns[step][0], columns[step][1:]
	head := false
	for _, r := range rows {
		if r.Step != step {
			continue
		}
		if !head {
			head = true
			fmt.Fprintf(t, "| server\t| %s\t| lowest to highest\t| of %s\t", first.title, baselineOf(step))
			for _, c := range others {
				fmt.Fprintf(t, "| %s\t", c.title)
			}
			fmt.Fprintf(t, "| failed\t| connections\t| rounds\t|\n|---\t|---\t|---\t|---\t%s|---\t|---\t|---\t|\n", strings.Repeat("|---\t", len(others)))
		}
		f, ratio := r.Figures[first.figure], ""
		if f.Of > 0 {
			ratio = fmt.Sprintf("%.2f", f.Of)
		}
		fmt.Fprintf(t, "| %s\t| %.*f\t| %.*f to %.*f\t| %s\t", r.Server, first.digits, f.Median, first.digits, f.Low, first.digits, f.High, ratio)
		for _, c := range others {
			fmt.Fprintf(t, "| %.*f\t", c.digits, r.Figures[c.figure].Median)
		}
		fmt.Fprintf(t, "| %d\t| %d\t| %d\t|\n", r.Failed, r.Conns, r.Runs)
	}
	return t.Flush()
}
