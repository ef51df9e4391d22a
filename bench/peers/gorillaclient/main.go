// Command gorillaclient is a plain load client on gorilla/websocket, with a
// goroutine per connection, to compare the cost of load generators with:
//
//	gorillaclient broadcast ws://host:port/ws -c 1000 --rate 20 -d 20s
//	gorillaclient echo ws://host:port/echo -c 1000 --rate 10000 -d 20s
//	gorillaclient connect ws://host:port/ws -c 1000 -d 20s
//
// broadcast publishes through POST /websocket/broadcast at the rate and counts
// what every connection gets; echo sends at the rate, all connections together,
// or as fast as answers come with --rate 0; connect only holds the connections.
// It prints one JSON object.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Result is what a run came to.
type Result struct {
	Work        string  `json:"work"`
	Connections int     `json:"connections"` // asked for
	Connected   int64   `json:"connected"`
	Lost        int64   `json:"lost"` // connections that ended before the run did
	Seconds     float64 `json:"seconds"`
	Sent        int64   `json:"sent"`
	Published   int64   `json:"published"`
	Received    int64   `json:"received"`
	Wrong       int64   `json:"wrong"`          // of Received: not what was sent
	CPUSeconds  float64 `json:"cpu_seconds"`    // from the last connect to the end
	PerConn     float64 `json:"bytes_per_conn"` // growth of the resident memory over the connects
}

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "gorillaclient:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("want: broadcast|echo|connect URL [flags]")
	}
	l := load{work: args[0], url: args[1]}
	flags := flag.NewFlagSet("gorillaclient", flag.ContinueOnError)
	flags.IntVar(&l.conns, "c", 1000, "connections")
	flags.Float64Var(&l.rate, "rate", 0, "publishes or messages per second, all connections together; echo: 0 sends as fast as answers come")
	flags.DurationVar(&l.duration, "d", 10*time.Second, "how long, after the last connect")
	flags.IntVar(&l.size, "size", 128, "bytes of a message")
	if err := flags.Parse(args[2:]); err != nil {
		return err
	}
	if err := l.check(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	res, err := l.run(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(res)
}

func (l *load) check() error {
	switch {
	case l.work != "broadcast" && l.work != "echo" && l.work != "connect":
		return fmt.Errorf("unknown work %q: want broadcast, echo or connect", l.work)
	case l.conns < 1:
		return fmt.Errorf("-c %d: want 1 at least", l.conns)
	case l.rate < 0 || l.rate == 0 && l.work == "broadcast":
		return fmt.Errorf("--rate %v: want more than 0", l.rate)
	case l.size < 1:
		return fmt.Errorf("--size %d: want 1 at least", l.size)
	case l.duration <= 0:
		return fmt.Errorf("-d %v: want more than 0", l.duration)
	}
	return nil
}
