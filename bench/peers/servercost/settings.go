package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// settings is what the command is told.
type settings struct {
	Servers []string `json:"servers"`
	Steps   []string `json:"steps"`
	Rounds  int      `json:"rounds"`
	// PeerRounds are those in which servers of other projects take part.
	PeerRounds int           `json:"peer_rounds"`
	Warmup     time.Duration `json:"warmup"`
	Window     time.Duration `json:"window"`
	Limit      time.Duration `json:"limit"` // of one measurement

	Closed        int           `json:"heartbeat_connections"`
	Sparse        int           `json:"sparse_connections"`
	SparseRate    float64       `json:"sparse_rate"` // heartbeats per second
	Audience      int           `json:"broadcast_connections"`
	BroadcastRate float64       `json:"broadcast_rate"` // per second
	Burst         int           `json:"burst"`          // broadcasts at once
	BurstEvery    time.Duration `json:"burst_every"`
	Size          int           `json:"size"` // bytes of a broadcast
	Crowd         int           `json:"flood_connections"`
	UnderWay      int           `json:"flood_broadcasts"`
	SteadyRate    float64       `json:"steady_rate"` // broadcasts per second
	Bystanders    int           `json:"bystanders"`
	BystanderRate int           `json:"bystander_rate"` // heartbeats per second
	Connects      int           `json:"connects"`
	Established   int           `json:"storm_established"`
	StormRate     int           `json:"storm_rate"` // heartbeats per second
	Storm         int           `json:"storm_connects"`
	Idle          int           `json:"idle_connections"`
	IdleEvery     time.Duration `json:"idle_heartbeats_every"`
	IdleWindow    time.Duration `json:"idle_window"`
	IdleRest      time.Duration `json:"idle_rest"` // after all have closed

	load, carillon string // paths of binaries
	crowd          string
	config         string // of the gateway
	peers          string // directory of this module
	built          string // directory of what was built
	out, page      string
	keepGoing      bool
}

func parse(args []string, stderr io.Writer) (*settings, error) {
	s := &settings{}
	var names, steps string
	flags := flag.NewFlagSet("servercost", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&names, "servers", strings.Join(serverNames(), ","), "which servers")
	flags.StringVar(&steps, "steps", strings.Join(allSteps, ","), "what they do")
	flags.IntVar(&s.Rounds, "rounds", 3, "how often each is measured; the median counts")
	flags.IntVar(&s.PeerRounds, "peer-rounds", 1, "in how many of them servers of other projects take part")
	flags.DurationVar(&s.Warmup, "warmup", time.Second, "how long the load runs before it is measured")
	flags.DurationVar(&s.Window, "window", 6*time.Second, "how long each is measured")
	flags.DurationVar(&s.Limit, "limit", 2*time.Minute, "a measurement that takes longer ends the command")
	flags.IntVar(&s.Closed, "c", 1000, "heartbeat: connections, each of which waits for the answer")
	flags.IntVar(&s.Sparse, "sparse-c", 5000, "sparse: connections")
	flags.Float64Var(&s.SparseRate, "sparse-rate", 10000, "sparse: heartbeats per second, all connections together")
	flags.IntVar(&s.Audience, "broadcast-c", 10000, "broadcast, burst, steady: connections")
	flags.Float64Var(&s.BroadcastRate, "broadcast-rate", 2, "broadcast: per second; low enough for one at a time")
	flags.IntVar(&s.Burst, "burst", 8, "burst: broadcasts at once")
	flags.DurationVar(&s.BurstEvery, "burst-every", 2*time.Second, "burst: time from one to the next")
	flags.IntVar(&s.Size, "size", 128, "bytes of a broadcast")
	flags.IntVar(&s.Crowd, "flood-c", 5000, "flood: connections that get broadcasts")
	flags.IntVar(&s.UnderWay, "flood-broadcasts", 8, "flood: broadcasts that are not yet with all")
	flags.Float64Var(&s.SteadyRate, "steady-rate", 10, "steady: broadcasts per second")
	flags.IntVar(&s.Bystanders, "bystanders", 50, "flood, steady: connections with heartbeats, beside those")
	flags.IntVar(&s.BystanderRate, "bystander-rate", 2500, "flood, steady: their heartbeats per second, all together")
	flags.IntVar(&s.Connects, "connects", 10000, "connect: connections, as quickly as they are taken")
	flags.IntVar(&s.Established, "storm-c", 5000, "storm: connections that are there")
	flags.IntVar(&s.StormRate, "storm-rate", 1000, "storm: their heartbeats per second, all together")
	flags.IntVar(&s.Storm, "storm", 14000, "storm: connects, as quickly as they are taken")
	flags.IntVar(&s.Idle, "idle", 16000, "idle: connections; the first quarter does not count for memory")
	flags.DurationVar(&s.IdleEvery, "idle-every", 25*time.Second, "idle: time between the heartbeats of each")
	flags.DurationVar(&s.IdleWindow, "idle-window", 20*time.Second, "idle: how long its CPU time is measured")
	flags.DurationVar(&s.IdleRest, "idle-rest", 10*time.Second, "idle: how long after all have closed memory is read")
	flags.StringVar(&s.load, "carillon", "../../bin/carillon", "the carillon binary that makes the load")
	flags.StringVar(&s.carillon, "gateway", "", "the carillon binary that is measured; default: the same")
	flags.StringVar(&s.peers, "peers", ".", "the directory of the peers, with what install.sh installs")
	flags.StringVar(&s.crowd, "crowd", "", "the client that makes the load where broadcasts and heartbeats or connects are measured; default: what install.sh builds")
	flags.StringVar(&s.out, "json", "", "file for all that was measured")
	flags.StringVar(&s.page, "markdown", "", "a page to put the tables into, each between <!-- servercost STEP --> and <!-- end -->")
	flags.BoolVar(&s.keepGoing, "keep-going", false, "repeat once what cannot be measured, then leave it out and go on; fail at the end")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if s.carillon == "" {
		s.carillon = s.load
	}
	if s.crowd == "" {
		s.crowd = filepath.Join(s.peers, "bin/crowd")
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
	case s.Rounds < 1 || s.PeerRounds < 0:
		return fmt.Errorf("--rounds %d, --peer-rounds %d: want 1 and 0 at least", s.Rounds, s.PeerRounds)
	case s.Window < 100*time.Millisecond || s.Warmup < 0 || s.Limit < s.Window+s.Warmup:
		return fmt.Errorf("--window %v, --warmup %v, --limit %v: want 100ms, 0 and both together at least", s.Window, s.Warmup, s.Limit)
	case min(s.Closed, s.Sparse, s.Audience, s.Connects) < 1:
		return fmt.Errorf("-c %d, --sparse-c %d, --broadcast-c %d, --connects %d: want 1 at least", s.Closed, s.Sparse, s.Audience, s.Connects)
	case min(s.Crowd, s.Bystanders, s.BystanderRate, s.Established, s.StormRate, s.Storm) < 1:
		return fmt.Errorf("--flood-c %d, --bystanders %d, --bystander-rate %d, --storm-c %d, --storm-rate %d, --storm %d: want 1 at least",
			s.Crowd, s.Bystanders, s.BystanderRate, s.Established, s.StormRate, s.Storm)
	case s.UnderWay < 1 || s.UnderWay > mostUnderWay:
		return fmt.Errorf("--flood-broadcasts %d: want 1 to %d", s.UnderWay, mostUnderWay)
	case s.SparseRate <= 0 || s.BroadcastRate <= 0 || s.BurstEvery <= 0 || s.SteadyRate <= 0:
		return fmt.Errorf("--sparse-rate %v, --broadcast-rate %v, --burst-every %v, --steady-rate %v: want more than 0",
			s.SparseRate, s.BroadcastRate, s.BurstEvery, s.SteadyRate)
	case s.IdleEvery <= 0 || s.IdleWindow <= 0 || s.IdleRest < 0:
		return fmt.Errorf("--idle-every %v, --idle-window %v, --idle-rest %v: want more than 0, and 0", s.IdleEvery, s.IdleWindow, s.IdleRest)
	case s.Burst < 1 || s.Burst > maxBurst || s.Audience%s.Burst != 0:
		return fmt.Errorf("--burst %d: want 1 to %d, and --broadcast-c %d a multiple of it", s.Burst, maxBurst, s.Audience)
	case s.Size <= markSize:
		return fmt.Errorf("--size %d: want more than %d, the mark of carillon bench", s.Size, markSize)
	case s.Idle < 4:
		return fmt.Errorf("--idle %d: want 4 at least", s.Idle)
	}
	for name, path := range map[string]string{"carillon": s.load, "the gateway": s.carillon, "crowd": s.crowd} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%s is not there: %w", name, err)
		}
	}
	return nil
}
