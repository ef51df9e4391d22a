// Million puts very many live connections on one machine, both ends of them: gateways
// in one real cluster over a Redis and a RabbitMQ of its own, and carillon bench as
// their clients, with heartbeats. It publishes one message to all of them, counts who
// got it, and prints what a connection costs.
//
//	go run ./cluster/services/cmd/million --carillon bin/carillon --count 1000000
package main

import (
	"context"
	"flag"
	"os"
	"time"

	"carillon/cluster/services/cmdline"
)

// options say what run does.
type options struct {
	carillon string
	count    int
	rate     int
	every    time.Duration
	hold     time.Duration
	report   string
}

func main() {
	os.Exit(command(os.Args[1:]))
}

func command(args []string) int {
	var o options
	flags := flag.NewFlagSet("million", flag.ContinueOnError)
	flags.StringVar(&o.carillon, "carillon", "bin/carillon", "the `program` that is gateway and load tester")
	flags.IntVar(&o.count, "count", 1_000_000, "how `many` connections")
	flags.IntVar(&o.rate, "rate", 4_500, "connects a `second`")
	flags.DurationVar(&o.every, "every", 100*time.Second, "`time` between two heartbeats of a connection")
	flags.DurationVar(&o.hold, "hold", 100*time.Second, "`time` for which they are measured when all are there")
	flags.StringVar(&o.report, "report", "", "write the load tester's report as HTML to this `file`")
	return cmdline.Main(flags, args, func(ctx context.Context) error {
		return run(ctx, o, os.Stdout)
	})
}
