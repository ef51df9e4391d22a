package main

import (
	"context"
	"fmt"
	"time"

	"carillon/bench/peers/internal/proc"
)

// connect reads what handshakes cost, from the first to when the server rests
// with all of them.
func (m *meter) connect(ctx context.Context, r *running, s *sample) error {
	before, err := m.atRest(ctx, r)
	if err != nil {
		return err
	}
	c, err := m.gather(ctx, r, "--bystanders", fmt.Sprint(m.Connects))
	if err != nil {
		return err
	}
	defer c.Close()
	after, err := m.atRest(ctx, r)
	if err != nil {
		return err
	}
	s.Conns, s.Operations = int64(m.Connects), int64(m.Connects)
	s.CPUSeconds = (after.CPU - before.CPU).Seconds()
	return s.divide(c.seconds)
}

// storm measures what heartbeats of established connections wait while others
// connect as fast as they can.
func (m *meter) storm(ctx context.Context, r *running, s *sample) error {
	c, err := m.gather(ctx, r, "--bystanders", fmt.Sprint(m.Established), "--rate", fmt.Sprint(m.StormRate))
	if err != nil {
		return err
	}
	defer c.Close()
	rest, _, err := c.during(ctx, r, "beat", 0, m.Warmup, m.Window)
	if err != nil {
		return err
	}
	if err := c.begin(ctx, "beat", 0, 100*time.Millisecond, 0); err != nil {
		return err
	}
	before, err := proc.UsageOf(r.PID())
	if err != nil {
		return err
	}
	others, err := m.gather(ctx, r, "--first", fmt.Sprint(m.Established), "--bystanders", fmt.Sprint(m.Storm))
	if err != nil {
		return err
	}
	defer others.Close()
	after, err := proc.UsageOf(r.PID())
	if err == nil {
		err = c.Say("")
	}
	if err != nil {
		return err
	}
	w, err := c.end(ctx, nothing)
	if err != nil {
		return err
	}
	s.Conns, s.Operations, s.Failed = int64(m.Established), int64(m.Storm), rest.Missing+w.Missing
	s.CPUSeconds = (after.CPU - before.CPU).Seconds()
	s.Figures[p99], s.Figures[longest] = w.P99, w.Max
	s.Figures[restP99], s.Figures[restLongest] = rest.P99, rest.Max
	return s.divide(others.seconds)
}
