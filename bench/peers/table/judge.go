package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"carillon/bench/peers/internal/figures"
)

// measured is all that goals are judged by.
type measured struct {
	rows    []figures.Row
	benched benchmarks
}

// result is a figure, with the lowest and the highest of several rounds, and what
// it is beside.
type result struct {
	figure, low, high float64
	beside            string
	without           []string // peers that should be in it, and could not be measured
}

// verdict is a goal and what was reached.
type verdict struct {
	goal
	result
	there bool // it was measured
}

// met is yes, no, or a question mark where the best of all is asked for and one of
// them is missing.
func (v verdict) met() string {
	switch met := v.atLeast && v.figure >= v.limit || !v.atLeast && v.figure <= v.limit; {
	case !met:
		return "no"
	case len(v.without) > 0:
		return "?"
	}
	return "yes"
}

type verdicts []verdict

func judge(m measured) (all verdicts) {
	for _, g := range goals {
		v := verdict{goal: g}
		v.result, v.there = g.of(m)
		all = append(all, v)
	}
	return all
}

// table is Markdown.
func (all verdicts) table() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	fmt.Fprint(t, "| point\t| what\t| goal\t| reached\t| lowest to highest\t| of the goal\t| beside\t| met\t|\n")
	fmt.Fprint(t, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|\n")
	for _, v := range all {
		goal, reached, spread, of, met := "", "not measured", "", "", ""
		if v.limit > 0 {
			goal = map[bool]string{true: "at least ", false: "at most "}[v.atLeast] + short(v.limit)
		}
		if v.there {
			reached = fmt.Sprintf("%.*f", v.digits, v.figure)
			if v.low != v.high {
				spread = fmt.Sprintf("%.*f to %.*f", v.digits, v.low, v.digits, v.high)
			}
		}
		if v.there && v.limit > 0 {
			of, met = fmt.Sprintf("%.2f", v.figure/v.limit), v.met()
		}
		fmt.Fprintf(t, "| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", v.point, v.what, goal, reached, spread, of, v.beside, met)
	}
	_ = t.Flush() // into memory
	return b.String()
}
