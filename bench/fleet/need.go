package fleet

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"carillon/bench/plan"
	"carillon/bench/watch"
)

// needOf is what a plan wants of each of several machines.
func needOf(p *plan.Plan, pins map[string][]netip.Addr, machines int) watch.Need {
	n := watch.Need{Workers: p.Workers, ServerPIDs: p.PIDs}
	for i := range p.Scenarios {
		s := &p.Scenarios[i]
		n.Connections += s.Connections
		n.ConnectRate += s.ConnectRate
		if s.Publish != nil {
			n.Connections += s.Publish.Publishers
		}
		if s.Churn != nil {
			n.Churn += s.Churn.Rate
			n.Connections += int(s.Churn.Rate*s.Churn.Lifetime.Seconds()) + 1
		}
		if s.Kind == plan.Storm && s.Storm.Backoff == nil {
			n.ConnectRate = max(n.ConnectRate, float64(s.Connections))
		}
		u, err := url.Parse(s.URL)
		if err != nil {
			continue // a complete plan has none
		}
		for _, a := range addrPorts(u, pins) {
			if !slices.Contains(n.Targets, a) {
				n.Targets = append(n.Targets, a)
			}
			n.LocalServer = n.LocalServer || a.Addr().IsLoopback()
		}
	}
	if p.FindMax != "" && p.FindOf == plan.OfConnections {
		n.Connections = max(n.Connections, int(p.FindTop))
	}
	n.Connections = (n.Connections + machines - 1) / machines
	n.ConnectRate /= float64(machines)
	n.Churn /= float64(machines)
	n.Sources = sourcesIn(p.Sources)
	return n
}

// addrPorts is where a URL leads.
func addrPorts(u *url.URL, pins map[string][]netip.Addr) (all []netip.AddrPort) {
	port := uint16(80)
	if u.Scheme == "wss" || u.Scheme == "https" {
		port = 443
	}
	if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		port = uint16(n)
	}
	for _, a := range pins[u.Hostname()] {
		all = append(all, netip.AddrPortFrom(a, port))
	}
	return all
}

// mostSources bounds the addresses of one network.
const mostSources = 4096

// sourcesIn lists the source addresses of a plan; networks are spelled out.
func sourcesIn(list []string) (all []netip.Addr) {
	for _, s := range list {
		if a, err := netip.ParseAddr(s); err == nil {
			all = append(all, a)
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			continue // a complete plan has none
		}
		p = p.Masked()
		a := p.Addr()
		if p.Bits() < a.BitLen()-1 {
			a = a.Next() // the network's own address is nobody's
		}
		for n := 0; n < mostSources && p.Contains(a); n++ {
			all = append(all, a)
			a = a.Next()
		}
	}
	return all
}
