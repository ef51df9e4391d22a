package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"carillon/bench/peers/internal/proc"
)

// mostUnderWay is how many broadcasts crowd can keep under way.
const mostUnderWay = 16

// perAddress is how many connections crowd makes from one address.
const perAddress = 6000

// crowd is a crowd of clients, see crowd/main.c.
type crowd struct {
	*proc.Talk
	limit   time.Duration
	seconds float64 // that connecting took
}

// window is what crowd measured at a command.
type window struct {
	Seconds     float64 `json:"seconds"`
	Frames      int64   `json:"frames"`
	Undelivered int64   `json:"undelivered"` // broadcasts
	Wrong       int64   `json:"wrong"`       // frames
	Beats       int64   `json:"beats"`
	Missing     int64   `json:"missing"` // answers
	P50         float64 `json:"p50_ms"`
	P99         float64 `json:"p99_ms"`
	P999        float64 `json:"p999_ms"`
	Max         float64 `json:"max_ms"`
}

// gather starts a crowd and returns when it is connected.
func (m *meter) gather(ctx context.Context, r *running, args ...string) (*crowd, error) {
	_, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		return nil, err
	}
	args = append(args, "--port", port, "--path", memberPath, "--size", fmt.Sprint(m.Size))
	if r.message != "" {
		args = append(args, "--beat", r.message)
	}
	if r.joins {
		args = append(args, "--joined")
	}
	path := m.crowd
	if r.wire != nil {
		path, args = r.wire.AtFarEnd(path, append(args, "--address", r.wire.Near.String(), "--from", r.wire.Far.String()))
	}
	c := &crowd{limit: m.Limit}
	if c.Talk, err = proc.StartTalk(path, args); err != nil {
		return nil, err
	}
	var connected struct{ Seconds float64 }
	if err := c.read(ctx, &connected); err != nil {
		c.Stop()
		c.Close()
		return nil, fmt.Errorf("crowd: %w", err)
	}
	c.seconds = connected.Seconds
	return c, nil
}

// read reads a line of JSON.
func (c *crowd) read(ctx context.Context, to any) error {
	line, err := c.Hear(ctx, c.limit)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(line), to); err != nil {
		return fmt.Errorf("%q: %w", line, err)
	}
	return nil
}

// expect reads a line that is known.
func (c *crowd) expect(ctx context.Context, want string) error {
	line, err := c.Hear(ctx, c.limit)
	if err != nil {
		return fmt.Errorf("crowd: %w", err)
	}
	if line != want {
		return fmt.Errorf("crowd said %q, want %q", line, want)
	}
	return nil
}

// begin has it begin with something, and returns after the warm-up.
func (c *crowd) begin(ctx context.Context, what string, amount any, warmup, length time.Duration) error {
	if err := c.Say(fmt.Sprint(what, " ", amount, " ", warmup.Seconds(), " ", length.Seconds())); err != nil {
		return err
	}
	return c.expect(ctx, "begin")
}

// end returns what it measured. atEnd is called when the measured time is over.
func (c *crowd) end(ctx context.Context, atEnd func() error) (w window, err error) {
	if err := c.expect(ctx, "end"); err != nil {
		return w, err
	}
	if err := atEnd(); err != nil {
		return w, err
	}
	if err := c.read(ctx, &w); err != nil {
		return w, fmt.Errorf("crowd: %w", err)
	}
	if w.Wrong > 0 {
		return w, fmt.Errorf("crowd: %d frames that nobody published, or of another length", w.Wrong)
	}
	return w, nil
}

// during does something from the end of the warm-up to that of the measured time
// and returns what the server used between.
func (c *crowd) during(ctx context.Context, r *running, what string, amount any, warmup, length time.Duration) (w window, cpu time.Duration, err error) {
	if err := c.begin(ctx, what, amount, warmup, length); err != nil {
		return w, 0, err
	}
	before, err := proc.UsageOf(r.PID())
	if err != nil {
		return w, 0, err
	}
	w, err = c.end(ctx, func() error {
		after, err := proc.UsageOf(r.PID())
		cpu = after.CPU - before.CPU
		return err
	})
	return w, cpu, err
}

// nothing is for measurements of which the server's usage does not matter.
func nothing() error { return nil }
