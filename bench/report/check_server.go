package report

import (
	"errors"
	"fmt"
	"strings"
)

// serverOf is a figure of the server, summed over its processes. Where
// processes are watched by their ids, metrics URLs are left out: they are
// usually the same processes seen twice.
type serverOf struct {
	text string
	dim  dimension
	seen func(s *Server) bool // the figure is there
	of   func(s *Server, seconds float64) float64
}

var serverQuantities = func() map[string]quantity {
	memory := func(s *Server) bool { return s.RSS > 0 }
	all := map[string]quantity{"leak": leakOf{}}
	for _, q := range []serverOf{
		{"rss", size, memory, func(s *Server, _ float64) float64 { return float64(s.RSS) }},
		{"rss_max", size, memory, func(s *Server, _ float64) float64 { return float64(s.RSSMax) }},
		{"rss_per_conn", size, memory, func(s *Server, _ float64) float64 { return s.PerConn }},
		{"cpu", cores, func(s *Server) bool { return s.CPUSeconds > 0 || len(s.Missing) == 0 },
			func(s *Server, seconds float64) float64 { return s.CPUSeconds / seconds }},
		{"cpu_per_m_sent", secondsPerMn, func(s *Server) bool { return s.CPUPerMSent > 0 },
			func(s *Server, _ float64) float64 { return s.CPUPerMSent }},
		{"cpu_per_m_recv", secondsPerMn, func(s *Server) bool { return s.CPUPerMRecv > 0 },
			func(s *Server, _ float64) float64 { return s.CPUPerMRecv }},
	} {
		all[q.text] = q
	}
	return all
}()

func (q serverOf) name() string           { return q.text }
func (q serverOf) dimension() dimension   { return q.dim }
func (q serverOf) ofServer() bool         { return true }
func (q serverOf) applies(*Scenario) bool { return false }

func (q serverOf) value(_ *Scenario, r *Report) (float64, error) {
	servers := watched(r.Servers)
	if len(servers) == 0 {
		return 0, errors.New("no server was watched; use --pid or --metrics-url")
	}
	var seconds float64
	for i := range r.Scenarios {
		seconds = max(seconds, r.Scenarios[i].Seconds)
	}
	if seconds <= 0 {
		return 0, errors.New("there was no measured period")
	}
	var total float64
	seen := false
	for _, s := range servers {
		if q.seen(s) {
			seen = true
			total += q.of(s, seconds)
		}
	}
	if !seen {
		return 0, fmt.Errorf("the server's processes showed none%s", missing(servers))
	}
	return total, nil
}

// missing says what could not be read of the servers.
func missing(servers []*Server) string {
	var all []string
	for _, s := range servers {
		all = append(all, s.Missing...)
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, "; ") + ")"
}

// watched are the servers that figures are summed over.
func watched(servers []Server) []*Server {
	var all, processes []*Server
	for i := range servers {
		all = append(all, &servers[i])
		if strings.HasPrefix(servers[i].Source, "pid ") {
			processes = append(processes, &servers[i])
		}
	}
	if len(processes) > 0 {
		return processes
	}
	return all
}

// leakOf is the growth of the server's memory, in bytes per hour, as far as a
// soak proved it: the slope of its resident memory where that is a leak, else 0.
type leakOf struct{}

func (leakOf) name() string         { return "leak" }
func (leakOf) dimension() dimension { return sizePerHour }
func (leakOf) ofServer() bool       { return true }

func (leakOf) applies(*Scenario) bool { return false }

func (leakOf) value(_ *Scenario, r *Report) (float64, error) {
	var worst float64
	found := false
	for i := range r.Scenarios {
		for _, slope := range r.Scenarios[i].Leak {
			u, ok := unitOf(sizePerHour, slope.Unit)
			if !ok || !strings.Contains(slope.What, "rss") {
				continue
			}
			found = true
			if slope.Leak {
				worst = max(worst, slope.PerHour*u.factor)
			}
		}
	}
	if !found {
		return 0, errors.New("no soak watched the server's memory")
	}
	return worst, nil
}
