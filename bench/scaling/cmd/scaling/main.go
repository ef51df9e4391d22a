// Scaling prints the tables of docs/scaling.md, or what a cluster of your own needs.
//
//	go run ./bench/scaling/cmd/scaling
//	go run ./bench/scaling/cmd/scaling -table breaks
//	go run ./bench/scaling/cmd/scaling -connections 2e6 -nodes 20 -pushes 50000 -broadcasts 5
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"carillon/bench/scaling"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "scaling:", err)
		}
		os.Exit(2)
	}
}

func run(args []string, out, help io.Writer) error {
	flags := flag.NewFlagSet("scaling", flag.ContinueOnError)
	flags.SetOutput(help)
	table := flags.String("table", "", "print only the table of this `name`")
	load, shape := scaling.Everyday(0), scaling.Plain(0)
	flags.Float64Var(&load.Connections, "connections", 0, "`count` of connections of a cluster of your own; without it the tables are printed")
	flags.Float64Var(&shape.Nodes, "nodes", 0, "`count` of nodes")
	flags.Float64Var(&load.PerUser, "per-user", load.PerUser, "sessions of a user")
	flags.DurationVar(&load.Lifetime, "lifetime", load.Lifetime, "how long a connection lasts")
	flags.DurationVar(&load.Heartbeat, "heartbeat", load.Heartbeat, "how often a client sends one")
	flags.Float64Var(&load.Pushes, "pushes", -1, "pushes to single users a second; by default one to each connection a minute")
	flags.Float64Var(&load.Known, "known", load.Known, "`share` of pushes whose user's location is remembered")
	flags.Float64Var(&load.Broadcasts, "broadcasts", load.Broadcasts, "broadcasts a second")
	flags.Float64Var(&load.Payload, "payload", load.Payload, "`bytes` of a message")
	flags.Float64Var(&shape.Exchanges, "exchanges", shape.Exchanges, "exchanges, each on a broker of its own")
	flags.Float64Var(&shape.FanOut, "fan-out", 0, "children of a node in a relay tree; 0 is without one")
	flags.Float64Var(&shape.Masters, "masters", 0, "masters of a Redis Cluster; 0 is a single server")
	flags.BoolVar(&shape.Reference, "reference-keys", shape.Reference, "keep the keys of the Spring Boot cluster")
	flags.BoolVar(&shape.Mixed, "mixed", false, "there are reference nodes")
	flags.DurationVar(&shape.Lease, "lease", shape.Lease, "cluster.lease")
	flags.Float64Var(&shape.Node.Cores, "cores", shape.Node.Cores, "cores of a node")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if load.Connections == 0 {
		return tables(out, *table)
	}
	if load.Pushes < 0 {
		load.Pushes = load.Connections / 60
	}
	if err := errors.Join(load.Validate(), shape.Validate()); err != nil {
		return err
	}
	return scaling.Own(load, shape, scaling.Default()).WriteMarkdown(out)
}

// tables prints one table, or all.
func tables(out io.Writer, name string) error {
	found := false
	for _, t := range scaling.Tables(scaling.Default()) {
		if name != "" && name != t.Name {
			continue
		}
		if name == "" {
			if found {
				fmt.Fprintln(out)
			}
			fmt.Fprintf(out, "%s:\n\n", t.Name)
		}
		found = true
		if err := t.WriteMarkdown(out); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("no table %q", name)
	}
	return nil
}
