// Command clientcost measures what load generators cost: it has carillon bench,
// k6 and a plain gorilla client do the same work against one server, one after
// the other, and reads what their processes use while the server counts what it
// sends and gets. The server's own cost does not count, and neither do the
// clients' start, their connects and their reports.
//
//	go run ./clientcost --carillon ../../bin/carillon
//
// Rounds are interleaved, so that a machine that gets slower does so for all.
// It prints a table, and with --json everything that was measured.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"carillon/bench/peers/internal/command"
)

// settings is what the command is told.
type settings struct {
	Conns         int           `json:"connections"`
	Idle          int           `json:"idle_connections"`
	BroadcastRate float64       `json:"broadcast_rate"` // publishes per second
	EchoRate      float64       `json:"echo_rate"`      // messages per second, all connections together
	Size          int           `json:"size"`
	Window        time.Duration `json:"window"`
	Settle        time.Duration `json:"settle"`
	Rounds        int           `json:"rounds"`
	Tools         []string      `json:"tools"`
	Works         []string      `json:"works"`

	carillon, k6, client, server string // paths
	scripts, out                 string
}

func main() { command.Main("clientcost", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "clientcost")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := s.build(ctx, dir); err != nil {
		return err
	}
	m := &meter{settings: s, dir: dir, log: stderr}
	samples, err := m.all(ctx)
	if err != nil {
		return err
	}
	rows := summarise(samples)
	if err := command.Save(s.out, s, samples, rows); err != nil {
		return err
	}
	return write(stdout, rows)
}

func parse(args []string, stderr io.Writer) (*settings, error) {
	s := &settings{}
	var names, works string
	flags := flag.NewFlagSet("clientcost", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&s.Conns, "c", 1000, "connections under load")
	flags.IntVar(&s.Idle, "idle", 4000, "connections of the idle ones; as many as a quarter are subtracted")
	flags.Float64Var(&s.BroadcastRate, "broadcast-rate", 20, "publishes per second")
	flags.Float64Var(&s.EchoRate, "echo-rate", 10000, "messages per second, all connections together")
	flags.IntVar(&s.Size, "size", 128, "bytes of a message")
	flags.DurationVar(&s.Window, "window", 10*time.Second, "how long each is measured")
	flags.DurationVar(&s.Settle, "settle", 3*time.Second, "how long the load runs before it is measured")
	flags.IntVar(&s.Rounds, "rounds", 3, "how often each is measured; the median counts")
	flags.StringVar(&names, "tools", "carillon,gorilla,k6,k6-shared", "what to measure, of "+strings.Join(toolNames(), ", "))
	flags.StringVar(&works, "works", strings.Join(allWorks, ","), "which work")
	flags.StringVar(&s.carillon, "carillon", "../../bin/carillon", "the carillon binary")
	flags.StringVar(&s.k6, "k6", "bin/k6", "the k6 binary")
	flags.StringVar(&s.scripts, "k6-scripts", "k6", "where the scripts of k6 are")
	flags.StringVar(&s.client, "gorilla-client", "", "the gorillaclient binary; default: built")
	flags.StringVar(&s.server, "server", "", "the gorillaserver binary; default: built")
	flags.StringVar(&s.out, "json", "", "file for all that was measured")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	s.Tools, s.Works = strings.Split(names, ","), strings.Split(works, ",")
	return s, s.check()
}

func (s *settings) check() error {
	for _, name := range s.Tools {
		if _, ok := tools[name]; !ok {
			return fmt.Errorf("--tools: unknown %q, want some of %s", name, strings.Join(toolNames(), ", "))
		}
	}
	for _, work := range s.Works {
		if !slices.Contains(allWorks, work) {
			return fmt.Errorf("--works: unknown %q, want some of %s", work, strings.Join(allWorks, ", "))
		}
	}
	switch {
	case s.Conns < 1:
		return fmt.Errorf("-c %d: want 1 at least", s.Conns)
	case s.Idle < 4:
		return fmt.Errorf("--idle %d: want 4 at least", s.Idle)
	case s.BroadcastRate <= 0 || s.EchoRate <= 0:
		return fmt.Errorf("--broadcast-rate %v, --echo-rate %v: want more than 0", s.BroadcastRate, s.EchoRate)
	case s.Size < markSize:
		return fmt.Errorf("--size %d: want %d at least, the mark of carillon bench", s.Size, markSize)
	case s.Window < 100*time.Millisecond || s.Settle < 0:
		return fmt.Errorf("--window %v, --settle %v: want 100ms and 0 at least", s.Window, s.Settle)
	case s.Rounds < 1:
		return fmt.Errorf("--rounds %d: want 1 at least", s.Rounds)
	}
	for _, name := range s.Tools {
		if path := tools[name].binary(s); path != "" {
			if _, err := os.Stat(path); err != nil {
				return fmt.Errorf("%s is not there: %w", name, err)
			}
		}
	}
	return nil
}
