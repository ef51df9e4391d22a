// Pgo takes processor profiles of a running gateway while carillon bench loads it with a
// mix of what gateways do, for Go's profile-guided optimisation.
//
//	go run ./bench/pgo --carillon bin/carillon --dir bin/profiles
//
// Each load has a gateway of its own, and its profile is DIR/NAME.pb.gz; go tool pprof
// merges them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"carillon/cluster/services/cmdline"
	"carillon/cluster/services/crowd"
)

// connectRate is how many connect in a second before a load begins.
const connectRate = 2500

// load is what a gateway has to do while it is watched.
type load struct {
	name, kind  string
	connections int
	flags       []string
}

// loads are about what gateways spend their time with: heartbeats most of all, most of
// them far between.
var loads = []load{
	{"sparse", "heartbeat", 5000, []string{"-r", "5000"}},
	{"dense", "heartbeat", 1000, []string{"--closed"}},
	{"broadcast", "broadcast", 5000, []string{"-r", "20"}},
	{"push", "push", 2000, []string{"-r", "2000"}},
	{"churn", "churn", 2000, []string{"--churn-rate", "1000"}},
}

// options say what is watched.
type options struct {
	carillon string
	dir      string
	seconds  int // of each load
}

func main() {
	os.Exit(command(os.Args[1:]))
}

func command(args []string) int {
	o := options{}
	flags := flag.NewFlagSet("pgo", flag.ContinueOnError)
	flags.StringVar(&o.carillon, "carillon", "bin/carillon", "the `program` that is gateway and load tester")
	flags.StringVar(&o.dir, "dir", "bin/profiles", "`folder` of the profiles")
	flags.IntVar(&o.seconds, "seconds", 15, "`how` many seconds of each load are watched")
	return cmdline.Main(flags, args, func(ctx context.Context) error {
		if o.seconds < 1 {
			return cmdline.Wrong("--seconds has to be above zero")
		}
		return o.run(ctx, os.Stdout)
	})
}

// run takes a profile under each load.
func (o options) run(ctx context.Context, w io.Writer) (err error) {
	if o.carillon, err = crowd.Program(o.carillon); err != nil {
		return err
	}
	if err := os.MkdirAll(o.dir, 0o777); err != nil {
		return err
	}
	for _, l := range loads {
		profile, err := o.watch(ctx, l)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		path := filepath.Join(o.dir, l.name+".pb.gz")
		if err := os.WriteFile(path, profile, 0o666); err != nil {
			return err
		}
		fmt.Fprintln(w, path)
	}
	return nil
}

// watch returns the profile of one load.
func (o options) watch(ctx context.Context, l load) (profile []byte, err error) {
	c, err := crowd.Alone(o.carillon)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	// Longer than what is watched: a profile that sees the end would have everybody go in it.
	length := time.Duration(o.seconds+5) * time.Second
	clients, err := c.Load(o.carillon, crowd.Load{Kind: l.kind, Connections: l.connections, Rate: connectRate,
		Flags: append([]string{"--warmup", "1s", "-d", length.String()}, l.flags...)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, clients.Stop()) }()
	if err := clients.Measuring(ctx); err != nil {
		return nil, err
	}
	return c.Profile(ctx, o.seconds)
}
