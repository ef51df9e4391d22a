// Soak watches what a gateway needs over a long time of heartbeats: memory, goroutines,
// descriptors, collections of garbage and processor time. It runs one gateway with
// carillon bench as its clients, both on this machine, prints a line a minute, and fails
// when memory has grown or somebody was lost.
//
//	go run ./bench/soak --carillon bin/carillon --connections 10000 --duration 1h
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"carillon/cluster/services/cmdline"
)

// options say what is run, and what is too much.
type options struct {
	carillon    string
	connections int
	duration    time.Duration // for which is measured
	settle      time.Duration // with heartbeats, before
	beat        time.Duration // between two heartbeats of a connection
	look        time.Duration // between two looks at the gateway
	line        time.Duration // between two lines
	growth      float64       // of memory over the duration that is allowed, bytes a connection
}

func main() {
	os.Exit(command(os.Args[1:]))
}

func command(args []string) int {
	o := options{look: 10 * time.Second, line: time.Minute}
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.StringVar(&o.carillon, "carillon", "bin/carillon", "the `program` that is gateway and load tester")
	flags.IntVar(&o.connections, "connections", 10_000, "how `many` connections")
	flags.DurationVar(&o.duration, "duration", time.Hour, "`time` for which it is watched")
	flags.DurationVar(&o.settle, "settle", 20*time.Minute, "`time` with heartbeats before: pools fill, and the heap comes to the size that Go keeps")
	flags.DurationVar(&o.beat, "beat", 25*time.Second, "`time` between two heartbeats of a connection")
	// A Go heap breathes between two collections. Half a megabyte of 10,000 connections is
	// noise, and a leak of a byte for each heartbeat shows within the hour.
	flags.Float64Var(&o.growth, "growth", 50, "`bytes` a connection by which memory may grow over that time")
	return cmdline.Main(flags, args, func(ctx context.Context) error {
		if o.connections < 1 || o.duration <= 0 || o.settle < 0 || o.beat <= 0 {
			return cmdline.Wrong("--connections, --duration and --beat have to be above zero, --settle not below")
		}
		if err := o.run(ctx, os.Stdout); err != nil {
			return fmt.Errorf("failed: %w", err)
		}
		return nil
	})
}
