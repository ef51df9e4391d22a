package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"carillon/bench/stats"
	"carillon/cluster/services/crowd"
)

// connectRate is how many connect in a second before a load begins.
const connectRate = 5000

// load is what a gateway has to do while it is measured.
type load struct {
	name  string
	kind  string
	flags func(o options) []string
	// stays tells that it ends with everybody connected, after the window.
	stays bool
}

var loads = []load{
	{name: "idle", kind: "heartbeat", stays: true, flags: func(o options) []string {
		return []string{"--every", "25s", "--warmup", "5s", "-d", o.window.String()}
	}},
	// More than the machine can deliver one by one: what waits leaves together.
	{name: "flood", kind: "broadcast", stays: true, flags: func(o options) []string {
		return []string{"-r", "25", "--warmup", "1s", "-d", o.window.String()}
	}},
	{name: "storm", kind: "storm", flags: func(o options) []string {
		return []string{"--cycles", "2", "--storm-every", (o.window / 2).String()}
	}},
}

// figures are what one gateway needed under one load.
type figures struct {
	rss     float64 // bytes a connection more than before the first one, at the end of the load
	most    float64 // the highest it ever was, beyond the same
	cpu     float64 // processor seconds during the load
	share   float64 // of them for the collector, 0 to 1
	cycles  float64 // collections
	longest float64 // milliseconds that one of them stopped everything, connecting included
	mean    float64
}

// key is a cell of the table.
type key struct {
	load    string
	setting setting
}

// run measures everything and prints the medians.
func (o options) run(ctx context.Context, w io.Writer) (err error) {
	if o.carillon, err = crowd.Program(o.carillon); err != nil {
		return err
	}
	all := make(map[key][]figures)
	for round := range o.rounds {
		for i := range o.settings {
			s := o.settings[(i+round)%len(o.settings)]
			for _, l := range loads {
				f, err := o.measure(ctx, s, l)
				if err != nil {
					return fmt.Errorf("GOGC=%s, %s: %w", s, l.name, err)
				}
				fmt.Fprintf(w, "round %d, %s, GOGC=%s: %+v\n", round+1, l.name, s, f)
				all[key{l.name, s}] = append(all[key{l.name, s}], f)
			}
		}
	}
	o.print(w, all)
	return nil
}

// measure measures one setting under one load.
func (o options) measure(ctx context.Context, s setting, l load) (f figures, err error) {
	c, err := crowd.Alone(o.carillon, s.env()...)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	empty, err := c.Resident()
	if err != nil {
		return f, err
	}
	clients, err := c.Load(o.carillon, crowd.Load{Kind: l.kind, Connections: o.connections, Rate: connectRate, Flags: l.flags(o)})
	if err != nil {
		return f, err
	}
	before, after, err := o.during(ctx, c, clients, l)
	if err != nil {
		return f, errors.Join(err, clients.Stop())
	}
	r, err := clients.Finish(ctx)
	if err != nil {
		return f, err
	}
	if n := r.Setup.Connected; n != o.connections {
		return f, fmt.Errorf("%d of %d were connected: %v", n, o.connections, r.Causes)
	}
	if n := r.Setup.Closed + r.Measured.Closed; n > 0 {
		return f, fmt.Errorf("%d connections were closed: %v", n, r.Causes)
	}
	if !l.stays {
		if after, err = read(ctx, c); err != nil {
			return f, err
		}
	}
	return after.less(before, float64(empty.All), float64(o.connections)), nil
}

// during reads what the gateway has at the beginning of a load, and towards the end of one
// of which everybody stays.
func (o options) during(ctx context.Context, c *crowd.Cluster, clients *crowd.Clients, l load) (before, after reading, err error) {
	if err := clients.Measuring(ctx); err != nil {
		return before, after, err
	}
	begun := time.Now()
	if before, err = read(ctx, c); err != nil || !l.stays {
		return before, after, err
	}
	err = clients.Until(ctx, func() (bool, error) { return time.Since(begun) > o.window*7/8, nil })
	if err != nil {
		return before, after, err
	}
	after, err = read(ctx, c)
	return before, after, err
}

// reading is what a gateway has used so far.
type reading struct {
	rss, most      float64
	cpu, collector float64 // seconds
	cycles         float64
	paused, worst  float64 // seconds
}

func read(ctx context.Context, c *crowd.Cluster) (r reading, err error) {
	values, err := c.Metrics(ctx)
	if err != nil {
		return r, err
	}
	resident, err := c.Resident()
	if err != nil {
		return r, err
	}
	most, err := c.Peak()
	return reading{
		rss: float64(resident.All), most: float64(most),
		cpu: c.CPU().Seconds(), collector: values["go_cpu_classes_gc_total_cpu_seconds_total"],
		cycles: values["go_gc_duration_seconds_count"], paused: values["go_gc_duration_seconds_sum"],
		worst: values[`go_gc_duration_seconds{quantile="1"}`],
	}, err
}

// less returns what came since before, of n connections to a gateway that had empty bytes.
func (r reading) less(before reading, empty, n float64) figures {
	f := figures{
		rss: (r.rss - empty) / n, most: (r.most - empty) / n, cpu: r.cpu - before.cpu,
		cycles: r.cycles - before.cycles, longest: r.worst * 1000,
	}
	if f.cpu > 0 {
		f.share = (r.collector - before.collector) / f.cpu
	}
	if f.cycles > 0 {
		f.mean = (r.paused - before.paused) / f.cycles * 1000
	}
	return f
}

// print writes a table of medians, as Markdown.
func (o options) print(w io.Writer, all map[key][]figures) {
	fmt.Fprintln(w, "| load | GOGC | RSS a connection, B | at most, B | CPU s | collector, % of it | collections | a pause, ms | longest, ms |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|")
	for _, l := range loads {
		for _, s := range o.settings {
			median := func(digits int, of func(figures) float64) string {
				var values []float64
				for _, f := range all[key{l.name, s}] {
					values = append(values, of(f))
				}
				return strconv.FormatFloat(stats.Median(values), 'f', digits, 64)
			}
			fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", l.name, s,
				median(0, func(f figures) float64 { return f.rss }), median(0, func(f figures) float64 { return f.most }),
				median(2, func(f figures) float64 { return f.cpu }), median(2, func(f figures) float64 { return f.share * 100 }),
				median(0, func(f figures) float64 { return f.cycles }), median(2, func(f figures) float64 { return f.mean }),
				median(2, func(f figures) float64 { return f.longest }))
		}
	}
}
