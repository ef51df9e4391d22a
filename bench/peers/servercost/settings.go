package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// settings is what the command is told.
type settings struct {
	Servers []string      `json:"servers"`
	Steps   []string      `json:"steps"`
	Rounds  int           `json:"rounds"`
	Warmup  time.Duration `json:"warmup"`
	Window  time.Duration `json:"window"`
	Limit   time.Duration `json:"limit"` // of one measurement

	Closed        int           `json:"heartbeat_connections"`
	Sparse        int           `json:"sparse_connections"`
	SparseRate    float64       `json:"sparse_rate"` // heartbeats per second
	Audience      int           `json:"broadcast_connections"`
	BroadcastRate float64       `json:"broadcast_rate"` // per second
	Burst         int           `json:"burst"`          // broadcasts at once
	BurstEvery    time.Duration `json:"burst_every"`
	Size          int           `json:"size"` // bytes of a broadcast
	Connects      int           `json:"connects"`
	Idle          int           `json:"idle_connections"`

	load, carillon string // paths of binaries
	peers          string // directory of this module
	built          string // directory of what was built
	out            string
}

func parse(args []string, stderr io.Writer) (*settings, error) {
	s := &settings{}
	var names, steps string
	flags := flag.NewFlagSet("servercost", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&names, "servers", strings.Join(serverNames(), ","), "which servers")
	flags.StringVar(&steps, "steps", strings.Join(allSteps, ","), "what they do")
	flags.IntVar(&s.Rounds, "rounds", 3, "how often each is measured; the median counts")
	flags.DurationVar(&s.Warmup, "warmup", time.Second, "how long the load runs before it is measured")
	flags.DurationVar(&s.Window, "window", 6*time.Second, "how long each is measured")
	flags.DurationVar(&s.Limit, "limit", 2*time.Minute, "a measurement that takes longer ends the command")
	flags.IntVar(&s.Closed, "c", 1000, "heartbeat: connections, each of which waits for the answer")
	flags.IntVar(&s.Sparse, "sparse-c", 5000, "sparse: connections")
	flags.Float64Var(&s.SparseRate, "sparse-rate", 10000, "sparse: heartbeats per second, all connections together")
	flags.IntVar(&s.Audience, "broadcast-c", 10000, "broadcast, burst: connections")
	flags.Float64Var(&s.BroadcastRate, "broadcast-rate", 2, "broadcast: per second; low enough for one at a time")
	flags.IntVar(&s.Burst, "burst", 8, "burst: broadcasts at once")
	flags.DurationVar(&s.BurstEvery, "burst-every", 2*time.Second, "burst: time from one to the next")
	flags.IntVar(&s.Size, "size", 128, "bytes of a broadcast")
	flags.IntVar(&s.Connects, "connects", 10000, "connect: connections, as quickly as they are taken")
	flags.IntVar(&s.Idle, "idle", 16000, "idle: connections; the first quarter does not count")
	flags.StringVar(&s.load, "carillon", "../../bin/carillon", "the carillon binary that makes the load")
	flags.StringVar(&s.carillon, "gateway", "", "the carillon binary that is measured; default: the same")
	flags.StringVar(&s.peers, "peers", ".", "the directory of the peers, with what install.sh installs")
	flags.StringVar(&s.out, "json", "", "file for all that was measured")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if s.carillon == "" {
		s.carillon = s.load
	}
	s.Servers, s.Steps = strings.Split(names, ","), strings.Split(steps, ",")
	return s, s.check()
}

func (s *settings) check() error {
	for _, name := range s.Servers {
		if _, known := servers[name]; !known {
			return fmt.Errorf("--servers: unknown %q, want some of %s", name, strings.Join(serverNames(), ", "))
		}
	}
	for _, step := range s.Steps {
		if !slices.Contains(allSteps, step) {
			return fmt.Errorf("--steps: unknown %q, want some of %s", step, strings.Join(allSteps, ", "))
		}
	}
	switch {
	case s.Rounds < 1:
		return fmt.Errorf("--rounds %d: want 1 at least", s.Rounds)
	case s.Window < 100*time.Millisecond || s.Warmup < 0 || s.Limit < s.Window+s.Warmup:
		return fmt.Errorf("--window %v, --warmup %v, --limit %v: want 100ms, 0 and both together at least", s.Window, s.Warmup, s.Limit)
	case min(s.Closed, s.Sparse, s.Audience, s.Connects) < 1:
		return fmt.Errorf("-c %d, --sparse-c %d, --broadcast-c %d, --connects %d: want 1 at least", s.Closed, s.Sparse, s.Audience, s.Connects)
	case s.SparseRate <= 0 || s.BroadcastRate <= 0 || s.BurstEvery <= 0:
		return fmt.Errorf("--sparse-rate %v, --broadcast-rate %v, --burst-every %v: want more than 0", s.SparseRate, s.BroadcastRate, s.BurstEvery)
	case s.Burst < 1 || s.Burst > maxBurst || s.Audience%s.Burst != 0:
		return fmt.Errorf("--burst %d: want 1 to %d, and --broadcast-c %d a multiple of it", s.Burst, maxBurst, s.Audience)
	case s.Size <= markSize:
		return fmt.Errorf("--size %d: want more than %d, the mark of carillon bench", s.Size, markSize)
	case s.Idle < 4:
		return fmt.Errorf("--idle %d: want 4 at least", s.Idle)
	}
	for _, path := range []string{s.load, s.carillon} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("carillon is not there: %w", err)
		}
	}
	return nil
}
