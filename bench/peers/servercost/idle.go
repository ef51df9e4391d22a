package main

import (
	"context"
	"fmt"
	"time"

	"carillon/bench/peers/internal/proc"
)

// memory is what a server and the kernel have when a server rests.
type memory struct {
	proc.Usage
	kernel proc.Kernel
}

func (m *meter) memory(ctx context.Context, r *running) (now memory, err error) {
	if now.Usage, err = m.atRest(ctx, r); err != nil {
		return now, err
	}
	now.kernel, err = proc.KernelMemory()
	return now, err
}

// idle reads what three quarters of the connections add to the memory of a server
// that has the others, what all of them cost with a heartbeat now and then, and
// what is left of them when all have closed.
func (m *meter) idle(ctx context.Context, r *running, s *sample) error {
	empty, err := m.memory(ctx, r)
	if err != nil {
		return err
	}
	open, err := proc.Descriptors(r.PID())
	if err != nil {
		return err
	}
	few := m.Idle / 4
	var crowds [2]*crowd
	var with [2]memory
	for i, part := range [2]struct{ first, count int }{{0, few}, {few, m.Idle - few}} {
		c, err := m.mostlySilent(ctx, r, part.first, part.count)
		if err != nil {
			return err
		}
		defer c.Close()
		if with[i], err = m.memory(ctx, r); err != nil {
			return err
		}
		crowds[i] = c
	}
	per := func(before, after int64) float64 { return float64(after-before) / float64(m.Idle-few) }
	s.Conns = int64(m.Idle)
	s.Figures[pssPerConn] = per(with[0].Memory, with[1].Memory)
	s.Figures[rssPerConn] = per(with[0].Resident, with[1].Resident)
	s.Figures[kernelPerConn] = per(with[0].kernel.Slab, with[1].kernel.Slab)
	s.Figures[tablesPerConn] = per(with[0].kernel.PageTables, with[1].kernel.PageTables)
	if err := m.idleCPU(ctx, r, s, crowds[:]); err != nil {
		return err
	}
	for _, c := range crowds {
		c.Close()
	}
	return m.kept(ctx, r, s, empty, open)
}

// wired reads what heartbeats now and then cost with clients at the far end of a
// wire, and what the kernel's thread has of it.
func (m *meter) wired(ctx context.Context, r *running, s *sample) error {
	c, err := m.mostlySilent(ctx, r, 0, m.Idle)
	if err != nil {
		return err
	}
	defer c.Close()
	s.Conns = int64(m.Idle)
	return m.idleCPU(ctx, r, s, []*crowd{c})
}

// mostlySilent is a crowd with a heartbeat of each now and then.
func (m *meter) mostlySilent(ctx context.Context, r *running, first, count int) (*crowd, error) {
	rate := max(1, int(float64(count)/m.IdleEvery.Seconds()+0.5))
	return m.gather(ctx, r, "--first", fmt.Sprint(first), "--bystanders", fmt.Sprint(count), "--rate", fmt.Sprint(rate))
}

// cpuTimes are those of a server and of the thread that takes packets in for it,
// which there is where clients are at the far end of a wire.
func cpuTimes(r *running) (server, thread time.Duration, err error) {
	u, err := proc.UsageOf(r.PID())
	if err == nil && r.wire != nil {
		thread, err = r.wire.ThreadCPU()
	}
	return u.CPU, thread, err
}

// idleCPU reads what heartbeats now and then cost.
func (m *meter) idleCPU(ctx context.Context, r *running, s *sample, crowds []*crowd) error {
	for _, c := range crowds {
		if err := c.begin(ctx, "beat", 0, m.Warmup, 0); err != nil {
			return err
		}
	}
	server, thread, err := cpuTimes(r)
	if err != nil {
		return err
	}
	start := time.Now()
	select {
	case <-time.After(m.IdleWindow):
	case <-ctx.Done():
		return ctx.Err()
	}
	serverAfter, threadAfter, err := cpuTimes(r)
	if err != nil {
		return err
	}
	perConn := func(cpu time.Duration) float64 {
		return cpu.Seconds() * 1e6 / time.Since(start).Seconds() / float64(m.Idle)
	}
	s.CPUSeconds = (serverAfter - server).Seconds()
	s.Figures[idleCPU] = perConn(serverAfter - server)
	if r.wire != nil {
		s.Figures[threadCPU] = perConn(threadAfter - thread)
	}
	for _, c := range crowds {
		if err := c.Say(""); err != nil {
			return err
		}
		w, err := c.end(ctx, nothing)
		if err != nil {
			return err
		}
		s.Failed += w.Missing
	}
	return nil
}

// kept reads what is left of the memory when all connections have closed. The
// server had so many descriptors open before.
func (m *meter) kept(ctx context.Context, r *running, s *sample, empty memory, before int) error {
	open := 0
	err := r.Wait(ctx, "the connections to close", m.Limit, func() (closed bool, err error) {
		open, err = proc.Descriptors(r.PID())
		return open < before+m.Idle/8, err
	})
	if err != nil {
		return fmt.Errorf("%d descriptors: %w", open, err)
	}
	select {
	case <-time.After(m.IdleRest):
	case <-ctx.Done():
		return ctx.Err()
	}
	last, err := proc.UsageOf(r.PID())
	s.Figures[keptPerConn] = float64(last.Memory-empty.Memory) / float64(m.Idle)
	return err
}
