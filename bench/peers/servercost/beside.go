package main

import (
	"context"
	"fmt"
)

// beside measures broadcasts to an audience, and what heartbeats of others wait
// before and meanwhile.
func (m *meter) beside(ctx context.Context, r *running, s *sample) error {
	audience, amount := m.Crowd, any(m.UnderWay)
	if s.Step == steady {
		audience, amount = m.Audience, m.SteadyRate
	}
	c, err := m.gather(ctx, r, "--audience", fmt.Sprint(audience), "--bystanders", fmt.Sprint(m.Bystanders), "--rate", fmt.Sprint(m.BystanderRate))
	if err != nil {
		return err
	}
	defer c.Close()
	rest, _, err := c.during(ctx, r, "beat", 0, m.Warmup, m.Window)
	if err != nil {
		return err
	}
	w, cpu, err := c.during(ctx, r, s.Step, amount, m.Warmup, m.Window)
	if err != nil {
		return err
	}
	s.Conns, s.Operations, s.Failed = int64(audience), w.Frames, w.Undelivered+rest.Missing+w.Missing
	s.CPUSeconds = cpu.Seconds()
	s.Figures[restP99], s.Figures[restP999] = rest.P99, rest.P999
	s.Figures[p50], s.Figures[p99], s.Figures[p999], s.Figures[longest] = w.P50, w.P99, w.P999, w.Max
	return s.divide(w.Seconds)
}
