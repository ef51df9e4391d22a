// Gc measures beside each other what settings of Go's collector of garbage cost a gateway:
// its memory with idle connections, under broadcasts and under storms of connects, the
// collector's share of its processor time, and how long it stopped everything.
//
//	go run ./bench/gc --carillon bin/carillon --connections 15000 --rounds 3
//
// Each setting gets a fresh gateway for each load. Settings take turns, and the order is
// another one in each round.
package main

import (
	"context"
	"flag"
	"os"
	"strings"
	"time"

	"carillon/cluster/services/cmdline"
)

// options say what is measured.
type options struct {
	carillon    string
	connections int
	rounds      int
	window      time.Duration // for which each load lasts
	settings    []setting
}

// setting is what a gateway gets in its environment: GOGC, or GOGC and GOMEMLIMIT with a
// colon between.
type setting string

// env are the variables.
func (s setting) env() []string {
	percent, limit, _ := strings.Cut(string(s), ":")
	env := []string{"GOGC=" + percent}
	if limit != "" {
		env = append(env, "GOMEMLIMIT="+limit)
	}
	return env
}

func main() {
	os.Exit(command(os.Args[1:]))
}

func command(args []string) int {
	o := options{}
	flags := flag.NewFlagSet("gc", flag.ContinueOnError)
	flags.StringVar(&o.carillon, "carillon", "bin/carillon", "the `program` that is gateway and load tester")
	flags.IntVar(&o.connections, "connections", 15_000, "how `many` connections")
	flags.IntVar(&o.rounds, "rounds", 3, "how `often` each setting has its turn")
	flags.DurationVar(&o.window, "window", 8*time.Second, "`time` for which each load lasts")
	settings := flags.String("settings", "25,50,100,200,off:64MiB", "values of `GOGC`, or of GOGC:GOMEMLIMIT, with commas")
	return cmdline.Main(flags, args, func(ctx context.Context) error {
		if o.connections < 1 || o.rounds < 1 || o.window <= 0 {
			return cmdline.Wrong("--connections, --rounds and --window have to be above zero")
		}
		for field := range strings.SplitSeq(*settings, ",") {
			o.settings = append(o.settings, setting(field))
		}
		return o.run(ctx, os.Stdout)
	})
}
