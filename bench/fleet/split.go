package fleet

import (
	"carillon/bench/engine"
	"carillon/bench/plan"
)

// split gives each of n workers its share of every scenario. Connections are
// spread evenly, in one run of numbers each; the first worker that has any
// publishes a scenario's broadcasts.
func split(p *plan.Plan, n int) [][]engine.Share {
	all := make([][]engine.Share, n)
	for w := range all {
		all[w] = make([]engine.Share, len(p.Scenarios))
	}
	for i := range p.Scenarios {
		total := p.Scenarios[i].Connections
		published := false
		for w := range n {
			first, end := total*w/n, total*(w+1)/n
			s := engine.Share{First: first, Count: end - first}
			if !published && s.Count > 0 {
				s.Publish, published = true, true
			}
			all[w][i] = s
		}
	}
	return all
}

// sourcesOf gives worker w of n its part of the source addresses: at least one
// each, all of them when there are not enough to share out.
func sourcesOf[T any](all []T, w, n int) []T {
	if len(all) < n {
		if len(all) == 0 {
			return nil
		}
		return all[w%len(all) : w%len(all)+1]
	}
	return all[len(all)*w/n : len(all)*(w+1)/n]
}
