package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// benchmarks are figures by the name of a benchmark and by unit.
type benchmarks map[string]map[string]float64

// The benchmarks, and the columns of their tables.
const (
	fanout   = "BenchmarkFanout"
	ways     = "BenchmarkUringWays"
	targeted = "BenchmarkTargeted"
)

var benchmarkTables = map[string][]string{
	fanout: {"C_frames/s", "send_frames/s", "send_x_C", "send_x_C_min", "send_x_C_max", "send_cpu_x_C", "uring_frames/s", "uring_x_C", "uring_x_C_min",
		"uring_x_C_max", "uring_cpu_x_C"},
	ways:     {"C_frames/s", "uring_frames/s", "uring_x_C", "uring_x_C_min", "uring_x_C_max", "uring_cpu_x_C"},
	targeted: {"pushes/s", "ns/op", "B/op", "allocs/op", "wakes/op", "retries/op"},
}

// all are the arguments of go test for each.
func (benchmarks) all(fanoutRounds int) [][]string {
	return [][]string{
		{"-bench", fanout + "$", "-benchtime", fmt.Sprint(fanoutRounds, "x"), "-timeout", "10m", "./netpoll"},
		{"-bench", ways + "$", "-benchtime", fmt.Sprint(fanoutRounds, "x"), "-timeout", "10m", "./netpoll"},
		{"-bench", targeted + "$", "-benchmem", "-timeout", "10m", "./server"},
	}
}

// add takes what go test prints of benchmarks; other lines are passed over.
func (bs benchmarks) add(out string) {
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") || len(f)%2 != 0 {
			continue
		}
		if _, err := strconv.Atoi(f[1]); err != nil {
			continue
		}
		found := map[string]float64{}
		for i := 2; i < len(f); i += 2 {
			v, err := strconv.ParseFloat(f[i], 64)
			if err != nil {
				found = nil
				break
			}
			found[f[i+1]] = v
		}
		if found != nil {
			bs[withoutProcs(f[0])] = found
		}
	}
}

// withoutProcs cuts what go test adds to a name: how many processors there were.
func withoutProcs(name string) string {
	at := strings.LastIndexByte(name, '-')
	if at < 0 {
		return name
	}
	if _, err := strconv.Atoi(name[at+1:]); err != nil {
		return name
	}
	return name[:at]
}

// table has what a benchmark measured, "" if nothing, as Markdown.
func (bs benchmarks) table(name string, units []string) string {
	var names []string
	for n := range bs {
		if strings.HasPrefix(n, name+"/") {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	var b strings.Builder
	fmt.Fprintf(&b, "| | %s |\n|---%s|\n", strings.Join(units, " | "), strings.Repeat("|---", len(units)))
	for _, n := range names {
		fmt.Fprintf(&b, "| %s |", strings.TrimPrefix(n, name+"/"))
		for _, unit := range units {
			v, there := bs[n][unit]
			if !there {
				b.WriteString(" |")
				continue
			}
			fmt.Fprintf(&b, " %s |", short(v))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// short has three digits at least.
func short(v float64) string {
	if v >= 100 || v == float64(int64(v)) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
