package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"carillon/cluster/services/crowd"
)

// news begins the message that everybody gets; clients that beat pass it over.
const news = `{"type":"BIZ","code":"NEWS"`

// run does everything and prints what came of it.
func run(ctx context.Context, o options, w io.Writer) (err error) {
	path, err := crowd.Program(o.carillon)
	if err != nil {
		return err
	}
	room, err := crowd.Judge(o.count, w)
	if err != nil {
		return err
	}
	if fits := room.Fits(o.count); fits < o.count {
		fmt.Fprintf(w, "%d connections do not fit; going on with %d\n", o.count, fits)
		o.count = fits
	}
	if o.count < 1 {
		return errors.New("there is no room for a connection")
	}

	c, err := crowd.Start(ctx, path, room.Gateways)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	before, err := c.Memory(nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "cluster      %d gateways on port %s, Redis, RabbitMQ\n", room.Gateways, c.Port())

	clients, err := c.Load(path, o.load())
	if err != nil {
		return err
	}
	if err := attend(ctx, o, c, clients, before, w); err != nil {
		return errors.Join(err, clients.Stop())
	}
	result, err := clients.Finish(ctx)
	if err != nil {
		return err
	}
	return judge(o, result, w)
}

func (o options) load() crowd.Load {
	flags := []string{"--every", o.every.String(), "-d", o.hold.String(), "--warmup", "2s",
		"--reply-timeout", "30s", "--settle", "30s", "--ignore", news}
	if o.report != "" {
		flags = append(flags, "--html", o.report)
	}
	return crowd.Load{Kind: "heartbeat", Connections: o.count, Rate: o.rate, Flags: flags}
}

// attend watches everybody come, publishes to them, and shows where the memory went.
func attend(ctx context.Context, o options, c *crowd.Cluster, clients *crowd.Clients, before crowd.Memory, w io.Writer) error {
	begun := time.Now()
	if err := clients.Connected(ctx); err != nil {
		return err
	}
	connected := time.Now()
	fmt.Fprintf(w, "ramp         %.0f s from the first connect to the last\n", connected.Sub(begun).Seconds())
	// Those who did not get in would be waited for in vain.
	n, atOnce, limit := 0, -1, connected.Add(o.hold*3/4)
	if err := clients.Until(ctx, func() (bool, error) {
		now, ok, err := c.Online(ctx)
		if ok {
			n = now
			if atOnce < 0 {
				atOnce = now
			}
		}
		return n == o.count || time.Now().After(limit), err
	}); err != nil {
		return err
	}
	fmt.Fprintf(w, "presence     %d users in Redis when the last was connected, %d of %d after %.1f s\n", atOnce, n, o.count, time.Since(connected).Seconds())
	if err := clients.Measuring(ctx); err != nil {
		return err
	}
	if err := c.Broadcast(ctx, news+`,"data":"`+strings.Repeat("x", 90)+`"}`); err != nil {
		return err
	}
	after, err := c.Memory(clients)
	if err != nil {
		return err
	}
	after.Less(before).Show(w, o.count)
	return nil
}

// judge prints who has got what. It is an error that somebody has not got everything.
func judge(o options, r crowd.Result, w io.Writer) error {
	beats, got := r.Measured, r.Measured.Received-r.Measured.OK
	fmt.Fprintf(w, "connected    %d, closed meanwhile %d\n", r.Setup.Connected, r.Setup.Closed+beats.Closed)
	fmt.Fprintf(w, "heartbeats   %d of %d acknowledged, p50 %.3f ms, p99 %.1f ms\n", beats.OK, beats.Expected,
		float64(r.P50.Microseconds())/1000, float64(r.P99.Microseconds())/1000)
	fmt.Fprintf(w, "broadcast    reached %d of %d\n", got, o.count)
	for _, cause := range slices.Sorted(maps.Keys(r.Causes)) {
		fmt.Fprintf(w, "failed       %d × %s\n", r.Causes[cause], cause)
	}
	fmt.Fprintf(w, "verdict      of the load tester: %s\n", r.Verdict)
	if r.Setup.Connected != o.count || beats.OK != beats.Expected || got != o.count {
		return errors.New("not everybody got everything")
	}
	return nil
}
