package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"carillon/cluster/services/crowd"
)

// options say how it is measured.
type options struct {
	carillon   string
	rate       int           // connects a second
	heartbeats int           // a second, of all connections together, whatever their number
	every      time.Duration // between two heartbeats of a connection, which goes before heartbeats; 0: not given
	window     time.Duration // for which heartbeats are measured
	quiet      time.Duration // for which silence is
	margin     time.Duration // that a broadcast has beside delivery
}

// What a connection takes at most, by all that was measured with both ends on two
// cores: of a broadcast, and until Redis has its user when all have connected.
const (
	delivery = 20 * time.Microsecond
	presence = 80 * time.Microsecond
)

// leaving is how long presence may take beyond that to have nobody: more than a lease.
var leaving = 2 * time.Minute

// measure measures one count, in a cluster of its own.
func (o options) measure(ctx context.Context, count int) (p Point, err error) {
	room, err := crowd.Judge(count, io.Discard)
	if err != nil {
		return p, err
	}
	p.Connections, p.Gateways = room.Fits(count), room.Gateways
	if p.Connections < 1 {
		return p, errors.New("there is no room for a connection")
	}
	c, err := crowd.Start(ctx, o.carillon, p.Gateways)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	busy, err := o.beat(ctx, c, &p)
	if err != nil {
		return p, fmt.Errorf("heartbeats: %w", err)
	}
	silent, err := o.publish(ctx, c, &p)
	if err != nil {
		return p, fmt.Errorf("broadcasts: %w", err)
	}
	if p.Connections <= framesRate {
		if err := o.frames(ctx, c, &p, silent); err != nil {
			return p, fmt.Errorf("frames: %w", err)
		}
	}
	p.IdleCPU = silent / float64(p.Connections) * 1e6
	p.LiveCPU = busy / float64(p.Connections) * 1e6
	p.HeartbeatCPU = (busy - silent) / o.beats(p.Connections) * 1e6
	return p, nil
}

// beats is how many heartbeats a second so many connections send.
func (o options) beats(count int) float64 {
	if o.every > 0 {
		return float64(count) / o.every.Seconds()
	}
	return float64(o.heartbeats)
}

// attend runs a load, calls during once everybody is connected, and wants everybody to
// get everything.
func (o options) attend(ctx context.Context, c *crowd.Cluster, l crowd.Load, during func(*crowd.Clients) error) (r crowd.Result, err error) {
	clients, err := c.Load(o.carillon, l)
	if err != nil {
		return r, err
	}
	err = clients.Connected(ctx)
	if err == nil {
		err = during(clients)
	}
	if err != nil {
		return r, errors.Join(err, clients.Stop())
	}
	if r, err = clients.Finish(ctx); err != nil {
		return r, err
	}
	if m := r.Measured; r.Setup.Connected != l.Connections || m.OK != m.Expected || m.Closed != 0 {
		return r, fmt.Errorf("%d of %d are connected, %d of %d messages have come, %d connections were closed: %v",
			r.Setup.Connected, l.Connections, m.OK, m.Expected, m.Closed, r.Causes)
	}
	// The next load begins with nobody there.
	ctx, cancel := context.WithTimeout(ctx, leaving+time.Duration(l.Connections)*presence)
	defer cancel()
	for {
		n, ok, err := c.Online(ctx)
		if err != nil || ok && n == 0 {
			return r, err
		}
		if !crowd.Pause(ctx, time.Second) {
			return r, fmt.Errorf("%d users are there after all have left (answered: %v): %w", n, ok, ctx.Err())
		}
	}
}

// lasts is how long a load is that has a window in which Redis has everybody.
func (o options) lasts(count int) string {
	return (o.window + o.margin + time.Duration(count)*presence).String()
}

// busy returns the processor seconds that the gateways use in a second of a load, once
// Redis has everybody; then is called before the window.
func (o options) busy(ctx context.Context, c *crowd.Cluster, clients *crowd.Clients, count int, then func() error) (float64, error) {
	if err := clients.Measuring(ctx); err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := online(ctx, c, clients, count); err != nil {
		return 0, err
	}
	if err := then(); err != nil {
		return 0, err
	}
	if late := time.Since(begun); late > o.margin+time.Duration(count)*presence {
		return 0, fmt.Errorf("presence took %v: the load ends before the window does", late.Round(time.Second))
	}
	return cpuLoad(ctx, c, o.window)
}

// online waits until Redis has everybody.
func online(ctx context.Context, c *crowd.Cluster, clients *crowd.Clients, count int) error {
	return clients.Until(ctx, func() (bool, error) {
		n, _, err := c.Online(ctx)
		return n == count, err
	})
}

// beat measures memory, and the gateways' processor seconds a second while there are
// heartbeats.
func (o options) beat(ctx context.Context, c *crowd.Cluster, p *Point) (busy float64, err error) {
	before, err := c.Memory(nil)
	if err != nil {
		return 0, err
	}
	load := crowd.Load{Kind: "heartbeat", Connections: p.Connections, Rate: o.rate, Flags: []string{
		"-r", decimal(o.beats(p.Connections)), "-d", o.lasts(p.Connections), "--warmup", "2s", "--reply-timeout", "30s", "--settle", "30s"}}
	_, err = o.attend(ctx, c, load, func(clients *crowd.Clients) error {
		busy, err = o.busy(ctx, c, clients, p.Connections, func() error {
			after, err := c.Memory(clients)
			if err != nil {
				return err
			}
			m, n := after.Less(before), float64(p.Connections)
			p.UserBytes, p.ClientBytes = float64(m.Gateways)/n, float64(m.Clients)/n
			p.KernelBytes = float64(m.Slab+m.Sockets+m.Tables) / n
			return nil
		})
		return err
	})
	return busy, err
}

// publish measures the time of a broadcast, and the gateways' processor seconds a
// second while nothing is sent. There are two broadcasts: before the second one everybody is
// silent, and known to be connected.
func (o options) publish(ctx context.Context, c *crowd.Cluster, p *Point) (silent float64, err error) {
	takes := o.margin + time.Duration(p.Connections)*delivery
	gap := takes + o.margin + time.Duration(p.Connections)*presence + o.quiet + 2*time.Second
	load := crowd.Load{Kind: "broadcast", Connections: p.Connections, Rate: o.rate, Flags: []string{
		"-r", decimal(1 / gap.Seconds()), "-d", (gap + takes + time.Second).String(), "--warmup", "0s",
		"--reply-timeout", "60s", "--settle", "60s", "--publish-timeout", "60s"}}
	r, err := o.attend(ctx, c, load, func(clients *crowd.Clients) error {
		begun := time.Now()
		if !crowd.Pause(ctx, time.Until(begun.Add(takes))) {
			return ctx.Err()
		}
		if err := online(ctx, c, clients, p.Connections); err != nil {
			return err
		}
		if time.Since(begun) > gap-o.quiet {
			return fmt.Errorf("presence took %v: until the next broadcast nobody was silent", time.Since(begun).Round(time.Second))
		}
		if silent, err = cpuLoad(ctx, c, o.quiet); err != nil {
			return err
		}
		used := c.CPU()
		from := time.Now()
		if !crowd.Pause(ctx, time.Until(begun.Add(gap+takes))) {
			return ctx.Err()
		}
		cpu := (c.CPU() - used).Seconds() - silent*time.Since(from).Seconds()
		p.FrameCPU = cpu / float64(p.Connections) * 1e6
		return nil
	})
	if err == nil && r.Measured.Expected != 2*p.Connections {
		err = fmt.Errorf("%d messages were expected of 2 broadcasts to %d connections", r.Measured.Expected, p.Connections)
	}
	p.Broadcast = r.P99.Seconds() / float64(p.Connections) * 1e6
	return silent, err
}

// framesRate is how many frames a second there are where one broadcast to everybody
// costs less than silence differs by from one second to the next.
const framesRate = 10_000

// frames measures what a frame costs by many broadcasts.
func (o options) frames(ctx context.Context, c *crowd.Cluster, p *Point, silent float64) error {
	load := crowd.Load{Kind: "broadcast", Connections: p.Connections, Rate: o.rate, Flags: []string{
		"-r", decimal(framesRate / float64(p.Connections)), "-d", o.lasts(p.Connections), "--warmup", "1s", "--reply-timeout", "60s", "--settle", "60s"}}
	_, err := o.attend(ctx, c, load, func(clients *crowd.Clients) error {
		busy, err := o.busy(ctx, c, clients, p.Connections, func() error { return nil })
		p.FrameCPU = (busy - silent) / framesRate * 1e6
		return err
	})
	return err
}

// decimal writes a rate as a flag.
func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// cpuLoad returns the processor seconds that the gateways use in a second, over d.
func cpuLoad(ctx context.Context, c *crowd.Cluster, d time.Duration) (float64, error) {
	from, used := time.Now(), c.CPU()
	if !crowd.Pause(ctx, d) {
		return 0, ctx.Err()
	}
	return (c.CPU() - used).Seconds() / time.Since(from).Seconds(), nil
}
