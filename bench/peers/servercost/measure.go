package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"carillon/bench/peers/internal/proc"
)

// The steps.
const (
	heartbeat = "heartbeat" // each connection waits for the answer
	sparse    = "sparse"    // heartbeats at a rate, of many connections
	broadcast = "broadcast" // one at a time
	burst     = "burst"     // several at once
	connect   = "connect"
	idle      = "idle"
)

var allSteps = []string{heartbeat, sparse, broadcast, burst, connect, idle}

// sample is one measurement of one server at one step.
type sample struct {
	Server string `json:"server"`
	Step   string `json:"step"`
	Round  int    `json:"round"` // from 1
	Conns  int64  `json:"connections"`

	// All but idle: operations are heartbeats answered, frames delivered, and
	// connections that were upgraded.
	Operations int64   `json:"operations,omitempty"`
	Failed     int64   `json:"failed,omitempty"` // that should have been
	CPUSeconds float64 `json:"cpu_seconds,omitempty"`
	PerMillion float64 `json:"cpu_seconds_per_million,omitempty"`
	Rate       float64 `json:"operations_per_second,omitempty"`

	PerConn float64 `json:"bytes_per_connection,omitempty"` // idle
}

func (s sample) String() string {
	if s.Step == idle {
		return fmt.Sprintf("%s %s: %.0f bytes per connection", s.Server, s.Step, s.PerConn)
	}
	return fmt.Sprintf("%s %s: %.2f CPU s per million, %.0f/s, %d failed", s.Server, s.Step, s.PerMillion, s.Rate, s.Failed)
}

// value is what the step is about.
func (s sample) value() float64 {
	if s.Step == idle {
		return s.PerConn
	}
	return s.PerMillion
}

// meter measures.
type meter struct {
	*settings
	dir  string
	log  io.Writer
	runs int // of the load
}

// all measures every server at every step, one after the other in each round.
func (m *meter) all(ctx context.Context) (samples []sample, err error) {
	for round := 1; round <= m.Rounds; round++ {
		for _, step := range m.Steps {
			for i := range m.Servers {
				name := m.Servers[(i+round-1)%len(m.Servers)] // each is first once
				if slices.Contains(servers[name].not, step) {
					continue
				}
				s, err := m.one(ctx, name, step)
				if err != nil {
					return nil, fmt.Errorf("%s, %s, round %d: %w", name, step, round, err)
				}
				s.Round = round
				fmt.Fprintf(m.log, "round %d of %d: %s\n", round, m.Rounds, s)
				samples = append(samples, s)
			}
		}
	}
	return samples, nil
}

// one measures a server at a step.
func (m *meter) one(ctx context.Context, name, step string) (s sample, err error) {
	r, err := m.start(ctx, name)
	if err != nil {
		return s, err
	}
	defer r.Stop()
	s = sample{Server: name, Step: step}
	switch step {
	case connect:
		err = m.connect(ctx, r, &s)
	case idle:
		err = m.idle(ctx, r, &s)
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

func (s *sample) divide(seconds float64) error {
	if s.Operations == 0 || seconds <= 0 {
		return fmt.Errorf("%d operations in %v s, %d failed", s.Operations, seconds, s.Failed)
	}
	s.PerMillion = s.CPUSeconds / float64(s.Operations) * 1e6
	s.Rate = float64(s.Operations) / seconds
	return nil
}

// held is a load of connections on which nothing is sent.
type held struct {
	*proc.Process
	report        string // file, once it has ended
	before, after proc.Usage
}

// hold has carillon bench open connections and keep them, beside those that
// there are, and returns when the server has them and is at rest.
func (m *meter) hold(ctx context.Context, r *running, first, count, rate int) (h held, err error) {
	if h.before, err = m.atRest(ctx, r); err != nil {
		return h, err
	}
	open, err := descriptors(r.PID())
	if err != nil {
		return h, err
	}
	args := []string{connect, r.url(), "-c", fmt.Sprint(count), "--first-id", fmt.Sprint(first),
		"--connect-rate", fmt.Sprint(rate), "--connect-timeout", m.Limit.String(), "--hold", (2 * m.Limit).String()}
	if h.Process, h.report, err = m.bench(append(args, r.ownProtocol(connect)...)...); err != nil {
		return h, err
	}
	err = h.Wait(ctx, fmt.Sprintf("%d connections", count), m.Limit, func() (bool, error) {
		now, err := descriptors(r.PID())
		return now >= open+count, err
	})
	if err == nil {
		h.after, err = m.atRest(ctx, r)
	}
	if err != nil {
		h.Stop()
	}
	return h, err
}

// atRest waits until a server has used next to no CPU time for a while.
func (m *meter) atRest(ctx context.Context, r *running) (u proc.Usage, err error) {
	const while = 500 * time.Millisecond
	since := time.Now()
	err = r.Wait(ctx, "the server to rest", m.Limit, func() (bool, error) {
		now, err := proc.UsageOf(r.PID())
		if now.CPU > u.CPU+proc.Tick {
			u, since = now, time.Now()
		}
		u.Memory = now.Memory
		return time.Since(since) >= while, err
	})
	return u, err
}

// connect reads what handshakes cost, from the first to when all are done.
func (m *meter) connect(ctx context.Context, r *running, s *sample) error {
	h, err := m.hold(ctx, r, 0, m.Connects, allAtOnce)
	if err != nil {
		return err
	}
	interrupt(h.Process)
	rep, err := m.finished(ctx, h.Process, h.report)
	if err != nil {
		return err
	}
	sc := rep.Scenarios[0]
	s.Conns, s.Operations, s.Failed = int64(m.Connects), sc.Measured.Counts.Connected, sc.Measured.Counts.ConnectFailed
	s.CPUSeconds = (h.after.CPU - h.before.CPU).Seconds()
	// They were due one after the other, and the time of each counts from then.
	return s.divide(float64(m.Connects)/allAtOnce + sc.Latency["connect"].Max/1000)
}

// idle reads what three quarters of the connections add to the memory of a server
// that has the others.
func (m *meter) idle(ctx context.Context, r *running, s *sample) error {
	few := m.Idle / 4
	first, err := m.hold(ctx, r, 0, few, connectRate)
	if err != nil {
		return err
	}
	defer first.Stop()
	h, err := m.hold(ctx, r, few, m.Idle-few, connectRate)
	if err != nil {
		return err
	}
	defer h.Stop()
	s.Conns = int64(m.Idle)
	s.PerConn = float64(h.after.Memory-h.before.Memory) / float64(m.Idle-few)
	return nil
}
