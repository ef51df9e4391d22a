package live

import (
	"fmt"

	"carillon/bench/report"
)

// client is the load generator's own state.
func (v *view) client() []string {
	c := &v.p.Client
	style := v.plain
	if c.LagP99 > delayHigh {
		style = v.bad
	}
	return []string{render(v.width,
		cell{text: "client", style: v.bold},
		cell{text: plural(c.Workers, "worker"), rank: 4},
		cell{text: fmt.Sprintf("CPU %s of %s", cores(c.CPU), plural(c.Cores, "core"))},
		cell{text: "RSS " + size(c.RSS), rank: 3},
		cell{text: "late p99 " + millis(c.LateP99), rank: 2},
		cell{text: "lag p99 " + millis(c.LagP99), style: style, rank: 1},
		v.graph(v.history.client))}
}

// strain warns when the client is the bottleneck.
func (v *view) strain() []string {
	var rows []string
	for _, text := range strain(v.p.Client) {
		rows = append(rows, render(v.width, cell{text: "! " + text, style: v.bad}))
		if len(rows) == 2 {
			break
		}
	}
	return rows
}

// servers has a row for each server, up to a number.
func (v *view) servers(most int) []string {
	var rows []string
	all := v.p.Servers
	for i := range all {
		if i == most {
			rows[i-1] = render(v.width, cell{text: fmt.Sprintf("server  %d more", len(all)-most+1), style: v.faint})
			break
		}
		rows = append(rows, v.server(&all[i]))
	}
	return rows
}

func (v *view) server(s *report.ServerProgress) string {
	return render(v.width,
		cell{text: "server", style: v.bold},
		cell{text: cut(clean(s.Source), max(v.width/3, 8)), rank: 2},
		cell{text: "CPU " + cores(s.Last.CPU)},
		cell{text: "RSS " + size(s.Last.RSS), rank: 1},
		v.graph(v.history.servers[s.Source]))
}

// warnings shows the newest, and how many there are when not all fit.
func (v *view) warnings(most int) []string {
	all := v.p.Warnings
	var rows []string
	for _, text := range all[max(len(all)-most, 0):] {
		mark := "!"
		if len(all) > most && len(rows) == 0 {
			mark = fmt.Sprintf("! (%d)", len(all))
		}
		rows = append(rows, render(v.width, cell{text: mark + " " + clean(text), style: v.warn}))
	}
	return rows
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%s %ss", count(int64(n)), what)
}
