package fleet

import (
	"net/netip"

	"carillon/bench/watch"
)

// place is how the connections of a run are placed on a machine.
type place struct {
	Workers  int             `json:"workers"`
	Sources  []netip.Addr    `json:"sources,omitempty"`
	Findings []watch.Finding `json:"findings,omitempty"`
	Cores    int             `json:"cores"`
}

// placeHere decides it for this machine. An error says that it does not work;
// the findings say why.
func placeHere(need watch.Need) (place, error) {
	p := place{Findings: watch.Preflight(need), Cores: cores()}
	var err error
	p.Workers, p.Sources, err = watch.PlanWorkers(need)
	return p, err
}
