// Growth measures what a connection costs as their number grows: memory of gateways
// and kernel, processor time of a heartbeat, time of a broadcast. It runs gateways in
// one cluster, as many as the descriptors ask for, and carillon bench as their clients,
// all on this machine, for one count after the other, and draws the result.
//
//	go run ./bench/growth --carillon bin/carillon --counts 1000,10000,100000
//
// It writes DIR/growth.json and DIR/growth.svg. What the file holds of other counts,
// measured on the same machine, stays.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"carillon/cluster/services/cmdline"
	"carillon/cluster/services/crowd"
)

func main() {
	os.Exit(command(os.Args[1:]))
}

func command(args []string) int {
	o := options{heartbeats: 5000, window: 15 * time.Second, quiet: 8 * time.Second, margin: 4 * time.Second}
	var dir string
	counts := countList{1000, 10_000, 100_000, 1_000_000}
	flags := flag.NewFlagSet("growth", flag.ContinueOnError)
	flags.StringVar(&o.carillon, "carillon", "bin/carillon", "the `program` that is gateway and load tester")
	flags.IntVar(&o.rate, "rate", 4_500, "connects a second: a `number`")
	flags.Var(&counts, "counts", "how `many` connections: numbers with commas")
	flags.DurationVar(&o.every, "every", 0, "`how` often each connection sends a heartbeat, instead of 5,000 a second of all together")
	flags.StringVar(&dir, "dir", "docs", "`folder` of growth.json and growth.svg")
	return cmdline.Main(flags, args, func(ctx context.Context) error {
		if o.every < 0 {
			return cmdline.Wrong("--every has to be zero or above")
		}
		return run(ctx, o, counts, dir)
	})
}

// run measures each count, and writes both files after each.
func run(ctx context.Context, o options, counts []int, dir string) error {
	var err error
	if o.carillon, err = crowd.Program(o.carillon); err != nil {
		return err
	}
	data, err := read(filepath.Join(dir, "growth.json"), machine())
	if err != nil {
		return err
	}
	printHead(os.Stdout)
	for _, n := range counts {
		p, err := o.measure(ctx, n)
		if err != nil {
			return fmt.Errorf("%d connections: %w", n, err)
		}
		p.print(os.Stdout)
		data.put(p)
		if err := data.save(dir); err != nil {
			return err
		}
	}
	return nil
}

// countList is a flag of positive numbers with commas.
type countList []int

func (l *countList) String() string {
	var texts []string
	for _, n := range *l {
		texts = append(texts, strconv.Itoa(n))
	}
	return strings.Join(texts, ",")
}

func (l *countList) Set(text string) error {
	*l = nil
	for field := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil {
			return err
		}
		if n < 1 {
			return fmt.Errorf("%d connections", n)
		}
		*l = append(*l, n)
	}
	return nil
}
