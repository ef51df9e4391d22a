package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"carillon/bench/peers/internal/proc"
	"carillon/bench/peers/internal/wire"
)

// sample is one measurement of one server at one step.
type sample struct {
	Server string `json:"server"`
	Step   string `json:"step"`
	Round  int    `json:"round"` // from 1
	Conns  int64  `json:"connections"`

	// Operations are heartbeats answered, frames delivered, and connections that
	// were upgraded; none where memory is what is measured.
	Operations int64              `json:"operations,omitempty"`
	Failed     int64              `json:"failed,omitempty"` // that should have been
	CPUSeconds float64            `json:"cpu_seconds,omitempty"`
	Figures    map[string]float64 `json:"figures"`
}

// String has the figures of the step's table.
func (s sample) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s:", s.Server, s.Step)
	for _, c := range columns[s.Step] {
		fmt.Fprintf(&b, " %s %.*f,", c.figure, c.digits, s.Figures[c.figure])
	}
	fmt.Fprintf(&b, " %d failed", s.Failed)
	return b.String()
}

// meter measures.
type meter struct {
	*settings
	dir  string
	log  io.Writer
	runs int // of the load
}

// all measures every server at every step, one after the other in each round. With
// an error it returns what was measured all the same.
func (m *meter) all(ctx context.Context) (samples []sample, err error) {
	var failed []error
	for round := 1; round <= m.Rounds; round++ {
		for _, step := range m.Steps {
			for i := range m.Servers {
				name := m.Servers[(i+round-1)%len(m.Servers)] // each is first once
				if !m.takesPart(name, step, round) {
					continue
				}
				s, err := m.one(ctx, name, step)
				if err != nil && m.keepGoing && ctx.Err() == nil {
					fmt.Fprintf(m.log, "once more: %s, %s, round %d: %v\n", name, step, round, err)
					s, err = m.one(ctx, name, step)
				}
				if err != nil {
					failed = append(failed, fmt.Errorf("%s, %s, round %d: %w", name, step, round, err))
					if !m.keepGoing || ctx.Err() != nil {
						return samples, errors.Join(failed...)
					}
					continue
				}
				s.Round = round
				fmt.Fprintf(m.log, "round %d of %d: %s\n", round, m.Rounds, s)
				samples = append(samples, s)
			}
		}
	}
	return samples, errors.Join(failed...)
}

// takesPart reports whether a server is measured at a step in a round.
func (m *meter) takesPart(name, step string, round int) bool {
	sv := servers[name]
	if sv.peer && step == wired {
		return false // the others listen on loopback
	}
	return (!sv.peer || round <= m.PeerRounds) && !slices.Contains(sv.not, step)
}

// one measures a server at a step.
func (m *meter) one(ctx context.Context, name, step string) (s sample, err error) {
	host := "127.0.0.1"
	var w *wire.Wire
	if step == wired {
		if w, err = wire.New(ctx, m.Idle/perAddress+1); err != nil {
			return s, err
		}
		defer func() { err = errors.Join(err, w.Close()) }()
		host = w.Near.String()
	}
	r, err := m.start(ctx, name, host)
	if err != nil {
		return s, err
	}
	defer r.Stop()
	r.wire = w
	s = sample{Server: name, Step: step, Figures: map[string]float64{}}
	switch step {
	case flood, steady:
		err = m.beside(ctx, r, &s)
	case connect:
		err = m.connect(ctx, r, &s)
	case storm:
		err = m.storm(ctx, r, &s)
	case idle:
		err = m.idle(ctx, r, &s)
	case wired:
		err = m.wired(ctx, r, &s)
	default:
		err = m.messages(ctx, r, &s)
	}
	if err == nil {
		err = r.Ended()
	}
	return s, err
}

// messages reads what a server used while carillon bench measured.
func (m *meter) messages(ctx context.Context, r *running, s *sample) error {
	args, err := m.loadArgs(r, s.Step)
	if err != nil {
		return err
	}
	p, out, err := m.bench(args...)
	if err != nil {
		return err
	}
	rep, err := m.finished(ctx, p, out)
	if err != nil {
		return err
	}
	if len(rep.Servers) != 1 {
		return fmt.Errorf("report of carillon bench: %d servers watched, want 1", len(rep.Servers))
	}
	each := int64(1)
	if s.Step == burst { // counted on one connection of so many, delivered on all
		each = int64(m.Burst)
	}
	for _, sc := range rep.Scenarios {
		c := sc.Measured.Counts
		s.Operations += each * c.OK
		s.Failed += each * (c.Expected - c.OK)
	}
	s.Conns = map[string]int64{heartbeat: int64(m.Closed), sparse: int64(m.Sparse)}[s.Step]
	if s.Conns == 0 {
		s.Conns = int64(m.Audience)
	}
	s.CPUSeconds = rep.Servers[0].CPUSeconds
	return s.divide(rep.Scenarios[0].Seconds)
}

// divide has the figures of operations.
func (s *sample) divide(seconds float64) error {
	if s.Operations == 0 || seconds <= 0 {
		return fmt.Errorf("%d operations in %v s, %d failed", s.Operations, seconds, s.Failed)
	}
	s.Figures[perMillion] = s.CPUSeconds / float64(s.Operations) * 1e6
	s.Figures[perSecond] = float64(s.Operations) / seconds
	return nil
}

// atRest waits until a server has used next to no CPU time for a while.
func (m *meter) atRest(ctx context.Context, r *running) (u proc.Usage, err error) {
	const while = 500 * time.Millisecond
	since, mark := time.Now(), time.Duration(0)
	err = r.Wait(ctx, "the server to rest", m.Limit, func() (bool, error) {
		u, err = proc.UsageOf(r.PID())
		if u.CPU > mark+proc.Tick {
			mark, since = u.CPU, time.Now()
		}
		return time.Since(since) >= while, err
	})
	return u, err
}
