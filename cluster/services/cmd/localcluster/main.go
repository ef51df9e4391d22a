// Localcluster starts a cluster for trying things out: a Redis and a RabbitMQ of its
// own, and gateways over them. It prints how to use them, then their logs, and ends
// everything when it is interrupted.
//
//	go run ./cluster/services/cmd/localcluster --gateway bin/carillon
package main

import (
	"context"
	"flag"
	"os"

	"carillon/cluster/services/cmdline"
)

func main() {
	os.Exit(command(os.Args[1:]))
}

func command(args []string) int {
	var o options
	flags := flag.NewFlagSet("localcluster", flag.ContinueOnError)
	flags.StringVar(&o.gateway, "gateway", "bin/carillon", "the `program` to run as each gateway")
	flags.IntVar(&o.port, "port", 18001, "the `port` of the first gateway; the others follow")
	flags.IntVar(&o.nodes, "nodes", 2, "how `many` gateways")
	return cmdline.Main(flags, args, func(ctx context.Context) error {
		return run(ctx, o, os.Stdout)
	})
}
