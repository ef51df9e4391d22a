package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// figure writes a value of a search or a check in its unit.
func figure(v float64, unit string) string {
	if unit == "" || strings.HasPrefix(unit, "/") {
		return digits3(v) + unit
	}
	return digits3(v) + " " + unit
}

func searchSection(s *Search) section {
	v := section{ID: "search", Title: "Search: highest " + s.Of + " with " + s.Goal}
	value := s.of(s.Best)
	if s.Best == 0 {
		value = "none of those tried"
	}
	v.fact("held up to", value)
	switch s.Bound {
	case "server":
		v.fact("bound by", "the server")
	case "client":
		v.fact("bound by", "the client: the server may do more")
	case "limit":
		v.fact("bound by", "the search's limit: the server may do more")
	default:
		v.fact("bound by", s.Bound)
	}
	if s.Reason != "" {
		v.Notes = append(v.Notes, note{s.Reason, neutral})
	}
	unit := ""
	if goal, err := ParseCheck(s.Goal); err == nil {
		unit = goal.Unit()
	}
	t := table{Title: "Steps", Columns: []column{
		{Name: "step"}, {Name: "asked"}, {Name: "reached"}, {Name: "goal", Words: true}, {Name: "value"}, {Name: "p50"}, {Name: "p99"}, {Name: "", Words: true},
	}}
	for i, step := range s.Steps {
		r := row{Cells: []string{
			grouped(int64(i + 1)), s.of(step.Asked), s.of(step.Reached), "held", figure(step.Value, unit), millis(step.P50), millis(step.P99), step.Note,
		}, Mood: good}
		if !step.Held {
			r.Cells[3], r.Mood = "missed", bad
		}
		t.Rows = append(t.Rows, r)
	}
	v.add(t)
	return v
}

// of writes what was searched for.
func (s *Search) of(value float64) string {
	if s.Of == "rate" {
		return each(value)
	}
	return digits3(value)
}

func serverSection(s *Server, i int) section {
	v := section{ID: serverID(i), Title: "Server: " + s.Source}
	cpu := inSeconds(s.CPUSeconds)
	if s.UserSeconds+s.SysSeconds > 0 {
		cpu += fmt.Sprintf(" (%s user, %s system)", inSeconds(s.UserSeconds), inSeconds(s.SysSeconds))
	}
	v.fact("CPU", cpu)
	v.fact("CPU per million sent to it", perMillion(s.CPUPerMSent))
	v.fact("CPU per million received from it", perMillion(s.CPUPerMRecv))
	memory := known(s.RSS)
	if s.RSSMax > 0 {
		memory += ", at most " + known(s.RSSMax)
	}
	if s.RSSBefore > 0 {
		memory += ", " + known(s.RSSBefore) + " before"
	}
	v.fact("memory (RSS)", memory)
	v.fact("memory (PSS)", known(s.PSS))
	v.fact("memory per connection", perConnection(s.PerConn))
	if s.Threads > 0 || s.FDs > 0 {
		v.fact("threads, descriptors", grouped(int64(s.Threads))+", "+grouped(int64(s.FDs)))
	}
	for _, m := range s.Missing {
		v.Notes = append(v.Notes, note{"not seen: " + m, warning})
	}
	return v
}

func perMillion(s float64) string {
	if s == 0 {
		return none
	}
	return strconv.FormatFloat(s, 'g', 3, 64) + " s"
}

func known(n int64) string {
	if n == 0 {
		return none
	}
	return inBytes(float64(n))
}

func perConnection(n float64) string {
	if n == 0 {
		return none
	}
	return inBytes(n)
}

func clientSection(c *Client) section {
	v := section{ID: "client", Title: "The client's own cost"}
	where := several(c.Workers, "process", "processes") + ", " + several(c.Loops, "event loop", "event loops")
	if c.Agents > 0 {
		where += " on " + several(c.Agents, "machine", "machines")
	}
	busy := mood(neutral)
	if c.Bottleneck {
		busy = bad
	}
	late := mood(neutral)
	if c.DroppedTick > 0 || c.Dropped > 0 {
		late = warning
	}
	v.fact("ran as", where)
	v.Facts = append(v.Facts, fact{Name: "CPU", Mood: busy,
		Value: fmt.Sprintf("%s, %s of its cores; the machine was %s busy", inSeconds(c.CPUSeconds), percent(c.CPUShare), percent(c.MachineBusy))})
	v.fact("CPU per million sent", perMillion(c.CPUPerMSent))
	v.fact("CPU per million received", perMillion(c.CPUPerMRecv))
	memory := known(c.RSS)
	if c.PerConn > 0 {
		memory += ", " + perConnection(c.PerConn) + " per connection"
	}
	v.fact("memory (RSS)", memory)
	if c.Ticks > 0 {
		v.Facts = append(v.Facts, fact{Name: "ticks over 10 ms late", Value: grouped(c.DroppedTick) + " of " + grouped(c.Ticks), Mood: late})
	}
	v.Facts = append(v.Facts, fact{Name: "operations given up", Value: grouped(c.Dropped), Mood: late})
	if c.GCPause > 0 {
		v.fact("longest GC pause", millis(c.GCPause))
	}
	if c.ClockError > 0 {
		v.fact("clocks differ by at most", millis(c.ClockError))
	}
	if c.Bottleneck {
		v.Notes = append(v.Notes, note{"The client was the bottleneck: the figures say nothing about the server.", bad})
	}
	t := table{Title: "Lateness", Columns: append([]column{{Words: true}}, latencyColumns()...)}
	for _, l := range []struct {
		name string
		Latency
	}{{"operations began", c.Late}, {"event loops woke", c.Lag}} {
		if l.Count > 0 {
			t.Rows = append(t.Rows, row{Cells: append([]string{l.name}, latencyCells(l.Latency)...)})
		}
	}
	v.add(t)
	return v
}

func several(n int, one, more string) string {
	if n != 1 {
		one = more
	}
	return grouped(int64(n)) + " " + one
}

func environmentSection(e *Environment) section {
	v := section{ID: "environment", Title: "Environment"}
	v.machine("machine", e)
	for i := range e.Agents {
		v.machine(fmt.Sprintf("agent %d", i+1), &e.Agents[i])
	}
	return v
}

// machine adds two facts: what the machine is, and what it is set to.
func (s *section) machine(name string, e *Environment) {
	var machine []string
	for _, s := range []string{e.Host, strings.TrimSpace(e.OS + " " + e.Kernel), e.CPU} {
		if s != "" {
			machine = append(machine, s)
		}
	}
	if e.Cores > 0 {
		machine = append(machine, fmt.Sprintf("%d cores", e.Cores))
	}
	if e.Memory > 0 {
		machine = append(machine, inBytes(float64(e.Memory)))
	}
	var settings []string
	if e.Go != "" {
		settings = append(settings, e.Go)
	}
	for _, m := range []map[string]string{e.Versions, e.Limits, e.Sysctls} {
		keys := slices.Sorted(maps.Keys(m))
		if i := slices.Index(keys, "carillon"); i > 0 { // the version that matters most
			keys = slices.Insert(slices.Delete(keys, i, i+1), 0, "carillon")
		}
		for _, key := range keys {
			settings = append(settings, key+" "+strings.Join(strings.Fields(m[key]), " "))
		}
	}
	s.fact(name, strings.Join(machine, ", "))
	s.fact("versions, limits", strings.Join(settings, ", "))
	for i := range s.Facts {
		s.Facts[i].Brief = true
	}
}

func checkSection(checks []Check) section {
	v := section{ID: "checks", Title: "Thresholds"}
	t := table{Columns: []column{{Words: true}, {Name: "fails if", Words: true}, {Name: "scenario", Words: true}, {Name: "value"}, {Name: "", Words: true}}}
	for _, c := range checks {
		r := row{Cells: []string{"ok", c.Expression, c.Scenario, figure(c.Value, c.Unit), ""}}
		if c.NoData {
			r.Cells[3] = none
		}
		if c.Failed {
			r.Cells[0], r.Cells[4], r.Mood = "FAILED", c.Text, bad
		}
		t.Rows = append(t.Rows, r)
	}
	v.add(t)
	return v
}

func serverID(i int) string { return fmt.Sprintf("server-%d", i) }
