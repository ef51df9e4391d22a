package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"carillon/bench/peers/internal/proc"
)

// connectLimit is how long a tool may take to have all its connections.
const connectLimit = 2 * time.Minute

// sample is one measurement of one tool at one work.
type sample struct {
	Tool  string `json:"tool"`
	Work  string `json:"work"`
	Round int    `json:"round"` // from 1

	// Under load.
	Messages   int64   `json:"messages,omitempty"` // broadcast: frames the server sent; echo: messages it got
	Seconds    float64 `json:"seconds,omitempty"`
	CPUSeconds float64 `json:"cpu_seconds,omitempty"`
	PerMillion float64 `json:"cpu_seconds_per_million,omitempty"`
	Rate       float64 `json:"messages_per_second,omitempty"`
	Asked      float64 `json:"messages_per_second_asked,omitempty"`

	// Idle.
	PerConn float64 `json:"bytes_per_connection,omitempty"`
	Conns   int     `json:"connections"`
}

// meter measures.
type meter struct {
	*settings
	dir string
	log io.Writer
}

// all measures every tool at every work, one after the other in each round.
func (m *meter) all(ctx context.Context) (samples []sample, err error) {
	for round := 1; round <= m.Rounds; round++ {
		for _, work := range m.Works {
			for i := range m.Tools {
				name := m.Tools[(i+round-1)%len(m.Tools)] // each is first once
				s, err := m.one(ctx, name, work)
				if err != nil {
					return nil, fmt.Errorf("%s, %s, round %d: %w", name, work, round, err)
				}
				s.Round = round
				fmt.Fprintf(m.log, "round %d of %d: %s\n", round, m.Rounds, s)
				samples = append(samples, s)
			}
		}
	}
	return samples, nil
}

func (s sample) String() string {
	if s.Work == idle {
		return fmt.Sprintf("%s %s: %.1f KiB per connection", s.Tool, s.Work, s.PerConn/1024)
	}
	return fmt.Sprintf("%s %s: %.2f CPU s per million, %.0f/s of %.0f/s asked", s.Tool, s.Work, s.PerMillion, s.Rate, s.Asked)
}

// one measures a tool at a work, with a fresh server.
func (m *meter) one(ctx context.Context, name, work string) (s sample, err error) {
	s = sample{Tool: name, Work: work, Conns: m.Conns}
	j := job{work: work, conns: m.Conns, out: filepath.Join(m.dir, "report.json")}
	switch work {
	case idle:
		j.conns = m.Idle
		if most := tools[name].most; most > 0 {
			j.conns = min(j.conns, most)
		}
		s.Conns = j.conns
		var few, many int64
		if many, err = m.idle(ctx, name, j); err != nil {
			return s, err
		}
		j.conns /= 4
		if few, err = m.idle(ctx, name, j); err != nil {
			return s, err
		}
		s.PerConn = float64(many-few) / float64(s.Conns-j.conns)
		return s, nil
	case broadcast:
		j.rate, s.Asked = m.BroadcastRate, m.BroadcastRate*float64(m.Conns)
	default:
		j.rate, s.Asked = m.EchoRate, m.EchoRate
	}
	err = m.connected(ctx, name, j, func(srv *server, p *proc.Process) error { return m.load(ctx, srv, p, &s) })
	return s, err
}

// connected has the tool do its job and calls fn when all its connections are there.
func (m *meter) connected(ctx context.Context, name string, j job, fn func(*server, *proc.Process) error) error {
	srv, err := startServer(ctx, m.server)
	if err != nil {
		return err
	}
	defer srv.stop()
	j.addr, j.life = srv.addr, m.Settle+m.Window+connectLimit
	t := tools[name]
	p, err := proc.Start(t.binary(m.settings), t.args(m.settings, j), t.env)
	if err != nil {
		return err
	}
	defer p.Stop()
	err = p.Wait(ctx, fmt.Sprintf("%d connections", j.conns), connectLimit, func() (bool, error) {
		st, err := srv.stats()
		return st.Conns >= int64(j.conns), err
	})
	if err != nil {
		return err
	}
	return fn(srv, p)
}

// idle returns the memory of the tool with connections on which nothing is sent.
func (m *meter) idle(ctx context.Context, name string, j job) (memory int64, err error) {
	err = m.connected(ctx, name, j, func(_ *server, p *proc.Process) error {
		if err := sleep(ctx, m.Settle); err != nil {
			return err
		}
		if err := p.Ended(); err != nil {
			return err
		}
		u, err := proc.UsageOf(p.PID())
		memory = u.Memory
		return err
	})
	return memory, err
}

// load measures a tool whose connections are there.
func (m *meter) load(ctx context.Context, srv *server, p *proc.Process, s *sample) error {
	count := func(st stats) int64 {
		if s.Work == broadcast {
			return st.Sent
		}
		return st.Received
	}
	first, err := srv.stats()
	if err != nil {
		return err
	}
	err = p.Wait(ctx, "the first messages", connectLimit, func() (bool, error) {
		st, err := srv.stats()
		return count(st) > count(first), err
	})
	if err != nil {
		return err
	}
	if err := sleep(ctx, m.Settle); err != nil {
		return err
	}
	begun, before, from, err := look(srv, p)
	if err != nil {
		return err
	}
	if err := sleep(ctx, m.Window); err != nil {
		return err
	}
	ended, after, to, err := look(srv, p)
	if err != nil {
		return err
	}
	s.Messages, s.Seconds = count(to)-count(from), ended.Sub(begun).Seconds()
	s.CPUSeconds = (after.CPU - before.CPU).Seconds()
	switch {
	case to.Slow > 0:
		return fmt.Errorf("the server cut %d connections that did not read in time; ask for a lower rate", to.Slow)
	case to.Conns < from.Conns:
		return fmt.Errorf("%d of %d connections were lost", from.Conns-to.Conns, from.Conns)
	case to.Size != int64(m.Size):
		return fmt.Errorf("messages have %d bytes, want %d", to.Size, m.Size)
	case s.Messages == 0:
		return fmt.Errorf("no message in %v", m.Window)
	}
	s.PerMillion = s.CPUSeconds / float64(s.Messages) * 1e6
	s.Rate = float64(s.Messages) / s.Seconds
	return nil
}

// look reads the clock, what the tool has used and what the server has counted.
func look(srv *server, p *proc.Process) (now time.Time, u proc.Usage, st stats, err error) {
	if err = p.Ended(); err != nil {
		return
	}
	if u, err = proc.UsageOf(p.PID()); err != nil {
		return
	}
	now = time.Now()
	st, err = srv.stats()
	return
}
