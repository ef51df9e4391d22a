package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"carillon/bench/report"
	"carillon/bench/stats"
	"carillon/bench/watch"
	"carillon/cluster/services"
	"carillon/cluster/services/crowd"
)

// connectRate is how many connect in a second: this is not about storms.
const connectRate = 2000

// run runs gateway and clients, shows on w what the gateway needs, and returns an error
// when that was too much.
func (o options) run(ctx context.Context, w io.Writer) (err error) {
	if o.carillon, err = crowd.Program(o.carillon); err != nil {
		return err
	}
	c, err := crowd.Alone(o.carillon)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	fmt.Fprintf(w, "gateway at %s:%s, %d connections, a heartbeat each %v, %v to settle, then %v\n",
		services.Host, c.Port(), o.connections, o.beat, o.settle, o.duration)
	clients, err := c.Load(o.carillon, crowd.Load{Kind: "soak", Connections: o.connections, Rate: connectRate, Flags: []string{
		"--every", o.beat.String(), "--warmup", o.settle.String(), "-d", o.duration.String(), "--reply-timeout", "30s", "--settle", "30s",
		"--limit", (o.settle + o.duration + 10*time.Minute + time.Duration(o.connections/connectRate)*time.Second).String()}})
	if err != nil {
		return err
	}
	samples, err := o.observe(ctx, c, clients, w)
	if err != nil {
		return errors.Join(err, clients.Stop())
	}
	result, err := clients.Finish(ctx)
	if err != nil {
		return err
	}
	return o.judge(samples, result, w)
}

// observe looks at the gateway while it settles and as long as is measured, and returns
// what it saw then. A look costs the gateway memory as well, until the next collection of
// garbage: that has to settle, too.
func (o options) observe(ctx context.Context, c *crowd.Cluster, clients *crowd.Clients, w io.Writer) ([]sample, error) {
	if err := clients.Connected(ctx); err != nil {
		return nil, err
	}
	if _, err := o.watch(ctx, c, clients, w, func(time.Duration) bool { return clients.Measured() }); err != nil {
		return nil, err
	}
	fmt.Fprintln(w, "settled; what follows is measured")
	// The last look is before the clients begin to go.
	return o.watch(ctx, c, clients, w, func(next time.Duration) bool { return next >= o.duration })
}

// watch looks at the gateway until end says that it is over: it is told when the next
// look would be.
func (o options) watch(ctx context.Context, c *crowd.Cluster, clients *crowd.Clients, w io.Writer, end func(next time.Duration) bool) ([]sample, error) {
	begun := time.Now()
	first, err := look(ctx, c, begun)
	if err != nil {
		return nil, err
	}
	printHead(w)
	first.print(w, first)
	samples, shown := []sample{first}, first
	for next := o.look; ; next += o.look {
		over := false
		err := clients.Until(ctx, func() (bool, error) {
			over = end(next)
			return over || time.Since(begun) >= next, nil
		})
		if err != nil || over {
			return samples, err
		}
		s, err := look(ctx, c, begun)
		if err != nil {
			return samples, err
		}
		samples = append(samples, s)
		if s.at-shown.at >= o.line-o.look/2 {
			s.print(w, shown)
			shown = s
		}
	}
}

// judge shows the line through the samples and what heartbeats took, and tells whether
// memory has grown or somebody was lost. Memory is what is not of files: the code that
// runs for the first time comes from the program's file, page by page, for an hour.
func (o options) judge(samples []sample, r crowd.Result, w io.Writer) error {
	n := float64(o.connections)
	memory := line("memory", samples, func(s sample) float64 { return float64(s.memory.Own) })
	// The line may leave out a warm-up, which the time to settle was for: the ends count too.
	grown := max(memory.Last-memory.First, ends(samples)) / n
	fmt.Fprintf(w, "memory grew by %.1f B a connection, %.1f an hour (%.1f to %.1f)\n", grown, memory.PerHour/n, memory.Low/n, memory.High/n)
	code := line("code", samples, func(s sample) float64 { return float64(s.memory.All - s.memory.Own) })
	fmt.Fprintf(w, "pages of the program's file that were used for the first time: %.0f KiB\n", (code.Last-code.First)/1024)
	for _, s := range []report.Slope{
		line("goroutines", samples, func(s sample) float64 { return s.goroutines }),
		line("descriptors", samples, func(s sample) float64 { return s.files }),
	} {
		fmt.Fprintf(w, "%s: %+.1f an hour (%.1f to %.1f)\n", s.What, s.PerHour, s.Low, s.High)
	}
	first, last := samples[0], samples[len(samples)-1]
	fmt.Fprintf(w, "CPU of a connection: %.2f us/s; collections of garbage: %.0f, pauses %.1f ms in all\n",
		last.load(first), last.collections-first.collections, (last.paused-first.paused)*1000)
	early, late := tenths(r.Seconds)
	fmt.Fprintf(w, "p99 of heartbeats, the median of the seconds: %v in the first tenth, %v in the last\n", early, late)

	var failures []error
	if grown > o.growth {
		failures = append(failures, fmt.Errorf("memory grew by %.1f B a connection, more than %.1f", grown, o.growth))
	}
	if int(first.sessions) != o.connections {
		failures = append(failures, fmt.Errorf("%.0f of %d were there when measuring began", first.sessions, o.connections))
	}
	m := r.Measured
	if r.Setup.Connected != o.connections || m.Closed != 0 || m.OK != m.Expected || m.Expected == 0 {
		failures = append(failures, fmt.Errorf("%d of %d were connected, %d of them lost, %d of %d heartbeats answered: %v",
			r.Setup.Connected, o.connections, m.Closed, m.OK, m.Expected, r.Causes))
	}
	if len(failures) > 0 {
		return errors.Join(failures...)
	}
	fmt.Fprintf(w, "passed: nobody of %d was lost, all %d heartbeats were answered, memory grew by no more than %.1f B a connection\n",
		o.connections, m.OK, o.growth)
	return nil
}

// ends is how much more memory the last tenth of the samples has than the first, by their medians.
func ends(samples []sample) float64 {
	var own []int64
	for _, s := range samples {
		own = append(own, s.memory.Own)
	}
	k := max(1, len(own)/10)
	return float64(stats.Median(own[len(own)-k:]) - stats.Median(own[:k]))
}

// line is the line through one figure of all samples.
func line(what string, samples []sample, of func(sample) float64) report.Slope {
	var xs, ys []float64
	for _, s := range samples {
		xs, ys = append(xs, s.at.Seconds()), append(ys, of(s))
	}
	return watch.Slope(what, "1/h", xs, ys)
}

// tenths returns the median of the first tenth, and of the last.
func tenths(all []time.Duration) (first, last time.Duration) {
	if len(all) == 0 {
		return 0, 0
	}
	n := max(1, len(all)/10)
	return stats.Median(all[:n]), stats.Median(all[len(all)-n:])
}

// sample is one look at the gateway.
type sample struct {
	at          time.Duration // since the first one
	sessions    float64
	memory      crowd.Resident
	heap        float64 // bytes in use
	goroutines  float64
	files       float64
	collections float64       // of garbage, so far
	paused      float64       // seconds that they have stopped everything, so far
	cpu         time.Duration // used so far
}

func look(ctx context.Context, c *crowd.Cluster, begun time.Time) (s sample, err error) {
	values, err := c.Metrics(ctx)
	if err != nil {
		return s, err
	}
	s = sample{
		at: time.Since(begun), sessions: values["carillon_sessions"], heap: values["go_memstats_heap_alloc_bytes"],
		goroutines: values["go_goroutines"], files: values["process_open_fds"],
		collections: values["go_gc_duration_seconds_count"], paused: values["go_gc_duration_seconds_sum"], cpu: c.CPU(),
	}
	s.memory, err = c.Resident()
	return s, err
}

// load is the processor time since an earlier look, in microseconds for a connection in
// a second.
func (s sample) load(since sample) float64 {
	if s.at <= since.at || s.sessions == 0 {
		return 0
	}
	return float64(s.cpu-since.cpu) / float64(time.Microsecond) / (s.at - since.at).Seconds() / s.sessions
}

func printHead(w io.Writer) {
	fmt.Fprintf(w, "%8s %9s %9s %9s %9s %10s %7s %5s %8s\n", "time", "sessions", "RSS KiB", "own KiB", "heap KiB", "goroutines", "files", "GCs", "CPU us/s")
}

// print writes a line; CPU is that since another look, for a connection.
func (s sample) print(w io.Writer, since sample) {
	fmt.Fprintf(w, "%8s %9.0f %9d %9d %9.0f %10.0f %7.0f %5.0f %8s\n", s.at.Round(time.Second), s.sessions, s.memory.All>>10, s.memory.Own>>10, s.heap/1024,
		s.goroutines, s.files, s.collections, strconv.FormatFloat(s.load(since), 'f', 2, 64))
}
