package main

import (
	"fmt"
	"slices"
	"strings"

	"carillon/bench/peers/internal/figures"
)

// goal is what is to be reached, or without a limit what is to be known.
type goal struct {
	point, what string
	limit       float64
	atLeast     bool
	digits      int
	of          func(measured) (result, bool)
}

const (
	ours    = "carillon"
	oneLoop = "carillon-1" // with one event loop
	gathers = "carillon-g" // with server.gather=100ms
)

// own are the servers that are no peers.
var own = []string{ours, oneLoop, gathers, "c", "c-2", "c-log", "c-uring"}

var goals = []goal{
	{"broadcast", "one at a time, one loop: frames/s over those of a C loop of send()", 0.95, true, 2, benched(fanout+"/loops=1/lone", "send_x_C", "C_frames/s")},
	{"broadcast", "the same with two loops and threads", 0.9, true, 2, benched(fanout+"/loops=2/lone", "send_x_C", "C_frames/s")},
	{"broadcast", "through io_uring, one loop", 1.1, true, 2, benched(fanout+"/loops=1/lone", "uring_x_C", "C_frames/s")},
	{"broadcast", "through io_uring, two loops", 1.1, true, 2, benched(fanout+"/loops=2/lone", "uring_x_C", "C_frames/s")},
	{"bursts", "frames/s with eight under way over those one at a time, one loop", 5, true, 1, quotient(fanout+"/loops=1/window=8", fanout+"/loops=1/lone", "send_frames/s")},
	{"bursts", "CPU a frame under a flood over that of the C server with a shared log", 1.2, false, 2, ratio("flood", "cpu_seconds_per_million")},
	{"bursts", "the same with one loop, as C has", 1.2, false, 2, over("flood", oneLoop, "c-log")},
	{"bursts", "the best peer's CPU a frame under it over ours", 6, true, 1, overPeers("flood", "cpu_seconds_per_million", false)},
	{"targeted", "pushes/s to one of 100,000 users, one loop", 0, true, 0, benched(targeted+"/loops=1", "pushes/s", "")},
	{"targeted", "pushes/s over those of a map, a lock and a write", 0, true, 2, quotient(targeted+"/loops=1", targeted+"/map", "pushes/s")},
	{"targeted", "allocations a push, the payload's included", 1, false, 2, benched(targeted+"/loops=1", "allocs/op", "")},
	{"targeted", "wakes of a loop a push", 1, false, 4, benched(targeted+"/loops=1", "wakes/op", "")},
	{"heartbeats", "each connection waits for the answer: CPU of one loop over that of C", 1.05, false, 2, over("heartbeat", oneLoop, "c")},
	{"heartbeats", "the same, two loops over two processes of C", 1.05, false, 2, over("heartbeat", ours, "c-2")},
	{"heartbeats", "the same, two loops over one process of C", 1.05, false, 2, over("heartbeat", ours, "c")},
	{"heartbeats", "10,000 a second over 5,000 connections: CPU of one loop over that of C", 1.3, false, 2, over("sparse", oneLoop, "c")},
	{"heartbeats", "the same, two loops over two processes of C", 1.3, false, 2, over("sparse", ours, "c-2")},
	{"heartbeats", "the same, two loops over one process of C", 1.3, false, 2, over("sparse", ours, "c")},
	{"heartbeats", "the same with `server.gather: 100ms`, two loops over two processes of C", 1.3, false, 2, over("sparse", gathers, "c-2")},
	{"idle", "bytes of user space a connection, resident set", 700, false, 0, row("idle", "rss_bytes_per_connection")},
	{"idle", "CPU µs/s a connection with a heartbeat every 25 s", 0.5, false, 2, row("idle", "idle_cpu_us_per_connection_second")},
	{"idle", "the same with `server.gather: 100ms`", 0.5, false, 2, rowOf(gathers, "idle", "idle_cpu_us_per_connection_second")},
	{"idle", "the same with clients at the far end of a wire", 0.5, false, 2, row("wired", "idle_cpu_us_per_connection_second")},
	{"idle", "both, a wire and `server.gather: 100ms`", 0.5, false, 2, rowOf(gathers, "wired", "idle_cpu_us_per_connection_second")},
	{"idle", "bytes of kernel memory a connection, both ends", 0, false, 0, row("idle", "kernel_bytes_per_connection")},
	{"idle", "bytes a connection kept 10 s after all have closed", 0, false, 0, row("idle", "kept_bytes_per_connection")},
	{"connects", "connects/s over those of the best peer", 1, true, 2, overPeers("connect", "operations_per_second", true)},
	{"connects", "the best peer's CPU a connect over ours", 1, true, 2, overPeers("connect", "cpu_seconds_per_million", false)},
	{"connects", "p99 of heartbeats beside a storm of connects, ms", 0, false, 2, row("storm", "p99_ms")},
	{"tail", "p99 of heartbeats beside a flood, ms", 5, false, 2, row("flood", "p99_ms")},
	{"tail", "the same with one loop, as C has", 5, false, 2, rowOf(oneLoop, "flood", "p99_ms")},
	{"tail", "p99.9 of heartbeats beside a flood, ms", 0, false, 2, row("flood", "p999_ms")},
	{"tail", "the same with one loop", 0, false, 2, rowOf(oneLoop, "flood", "p999_ms")},
	{"tail", "p99 of heartbeats at rest, ms", 0, false, 2, row("flood", "rest_p99_ms")},
	{"tail", "p99 of heartbeats beside ten broadcasts a second to 10,000, ms", 0, false, 2, row("steady", "p99_ms")},
	{"tail", "p99.9 beside them, ms", 0, false, 2, row("steady", "p999_ms")},
}

func (m measured) row(step, server string) (figures.Row, bool) {
	i := slices.IndexFunc(m.rows, func(r figures.Row) bool { return r.Step == step && r.Server == server })
	if i < 0 {
		return figures.Row{}, false
	}
	return m.rows[i], true
}

// row is a figure of ours, beside those of the C servers.
func row(step, figure string) func(measured) (result, bool) { return rowOf(ours, step, figure) }

// rowOf is a figure of a server, beside those of the C servers.
func rowOf(server, step, figure string) func(measured) (result, bool) {
	return func(m measured) (result, bool) {
		r, _ := m.row(step, server)
		f, there := r.Figures[figure]
		if !there {
			return result{}, false
		}
		res := result{figure: f.Median, low: f.Low, high: f.High}
		for _, server := range []string{"c", "c-log"} {
			if c, there := m.row(step, server); there {
				res.beside = strings.TrimPrefix(res.beside+", "+server+" "+short(c.Figures[figure].Median), ", ")
			}
		}
		return res, true
	}
}

// ratio is a figure of ours over the baseline's of the same round.
func ratio(step, figure string) func(measured) (result, bool) {
	return func(m measured) (result, bool) {
		r, _ := m.row(step, ours)
		f := r.Figures[figure]
		if f.Of <= 0 {
			return result{}, false
		}
		return result{figure: f.Of, low: f.OfLow, high: f.OfHigh, beside: fmt.Sprintf("ours %s (%s to %s)", short(f.Median), short(f.Low), short(f.High))}, true
	}
}

// over is the CPU of one server at a step over that of another, of the same rounds.
func over(step, server, other string) func(measured) (result, bool) {
	return func(m measured) (result, bool) {
		const figure = "cpu_seconds_per_million"
		r, _ := m.row(step, server)
		o, _ := m.row(step, other)
		a, b := r.Figures[figure], o.Figures[figure]
		var ratios []float64
		for i, round := range a.Rounds {
			if k := slices.Index(b.Rounds, round); k >= 0 && b.Values[k] > 0 {
				ratios = append(ratios, a.Values[i]/b.Values[k])
			}
		}
		if len(ratios) == 0 {
			return result{}, false
		}
		v := figures.SpreadOf(ratios, nil)
		return result{figure: v.Median, low: v.Low, high: v.High, beside: fmt.Sprintf("%s %s, %s %s", server, short(a.Median), other, short(b.Median))}, true
	}
}

// overPeers is a figure of ours over that of the best peer, or where less is
// better the best peer's over ours.
func overPeers(step, figure string, more bool) func(measured) (result, bool) {
	return func(m measured) (res result, there bool) {
		r, ok := m.row(step, ours)
		f := r.Figures[figure].Median
		if !ok || f <= 0 {
			return res, false
		}
		for _, peer := range m.rows {
			if peer.Step != step && !slices.Contains(own, peer.Server) && !slices.Contains(res.without, peer.Server) {
				if _, there := m.row(step, peer.Server); !there {
					res.without = append(res.without, peer.Server)
				}
			}
			v := peer.Figures[figure].Median
			if peer.Step != step || slices.Contains(own, peer.Server) || v <= 0 {
				continue
			}
			of := v / f
			if more {
				of = f / v
			}
			if !there || of < res.figure {
				res.figure, res.low, res.high = of, of, of
				res.beside = fmt.Sprintf("%s %s, ours %s", peer.Server, short(v), short(f))
			}
			there = true
		}
		if len(res.without) > 0 {
			res.beside += ", without " + strings.Join(res.without, ", ")
		}
		return res, there
	}
}

// benched is a figure of a benchmark, beside another one.
func benched(name, unit, beside string) func(measured) (result, bool) {
	return func(m measured) (result, bool) {
		v, there := m.benched[name][unit]
		if !there {
			return result{}, false
		}
		res := result{figure: v, low: v, high: v}
		if low, spread := m.benched[name][unit+"_min"]; spread {
			res.low, res.high = low, m.benched[name][unit+"_max"]
		}
		if other, there := m.benched[name][beside]; there {
			res.beside = short(other) + " " + beside
		}
		return res, true
	}
}

// quotient is a figure of one benchmark over that of another.
func quotient(name, over, unit string) func(measured) (result, bool) {
	return func(m measured) (result, bool) {
		v, w := m.benched[name][unit], m.benched[over][unit]
		if v <= 0 || w <= 0 {
			return result{}, false
		}
		return result{figure: v / w, low: v / w, high: v / w, beside: fmt.Sprintf("%s over %s", short(v), short(w))}, true
	}
}
