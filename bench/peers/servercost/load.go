package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"carillon/bench/peers/internal/proc"
)

// markSize is the length of what {{.Mark}} stands for in messages of carillon
// bench.
const markSize = 55

// maxBurst is how many messages have a letter of their own, see burstFile.
const maxBurst = 26

// connectRate is how many connects per second every server can take.
const connectRate = 2500

// report is what is read of a report of carillon bench.
type report struct {
	Scenarios []struct {
		Measured struct {
			Counts struct {
				Expected, OK int64
			}
		}
		Seconds float64 `json:"measured_seconds"`
	}
	Servers []struct {
		CPUSeconds float64 `json:"cpu_seconds"`
	}
}

// exitClientBusy is what carillon bench ends with when latencies are not to be
// believed: other figures are what counts here.
const exitClientBusy = 97

// bench starts carillon bench. Its report is in the file that is returned, once
// it has ended.
func (m *meter) bench(args ...string) (*proc.Process, string, error) {
	m.runs++
	out := filepath.Join(m.dir, fmt.Sprintf("report%d.json", m.runs))
	p, err := proc.Start(m.load, append(append([]string{"bench"}, args...), "--progress", "quiet", "--quiet", "--json", out), nil)
	return p, out, err
}

// finished waits for carillon bench and reads its report.
func (m *meter) finished(ctx context.Context, p *proc.Process, out string) (r report, err error) {
	limit := time.NewTimer(m.Limit)
	defer limit.Stop()
	defer p.Stop()
	select {
	case <-p.Done():
	case <-limit.C:
		return r, fmt.Errorf("carillon bench took longer than %v", m.Limit)
	case <-ctx.Done():
		return r, ctx.Err()
	}
	var exit *exec.ExitError
	if err := p.Err(); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == exitClientBusy) {
		return r, fmt.Errorf("carillon bench: %w\n%s", err, p.Output())
	}
	b, err := os.ReadFile(out)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("report of carillon bench: %w", err)
	}
	if len(r.Scenarios) == 0 {
		return r, errors.New("report of carillon bench: no scenario")
	}
	return r, nil
}

// ownProtocol has the flags for a server that does not speak the usual one.
func (r *running) ownProtocol(step string) (args []string) {
	if r.ignore != "" {
		args = append(args, "--ignore", r.ignore)
	}
	switch {
	case r.message == "":
	case step == broadcast:
		args = append(args, "--expect", r.delivery)
	case step == heartbeat || step == sparse:
		args = append(args, "--message", r.message, "--expect", r.expect)
	}
	return args
}

// loadArgs has carillon bench do a step that is messages.
func (m *meter) loadArgs(r *running, step string) ([]string, error) {
	common := []string{"--connect-rate", fmt.Sprint(connectRate), "--connect-timeout", "30s", "--reply-timeout", "20s", "--settle", "20s",
		"--pid", fmt.Sprint(r.PID())}
	var args []string
	switch step {
	case heartbeat:
		args = []string{heartbeat, r.url(), "-c", fmt.Sprint(m.Closed), "--closed", "--warmup", m.Warmup.String(), "-d", m.Window.String()}
	case sparse:
		args = []string{heartbeat, r.url(), "-c", fmt.Sprint(m.Sparse), "-r", fmt.Sprint(m.SparseRate), "--warmup", m.Warmup.String(), "-d", m.Window.String()}
	case broadcast:
		every := time.Duration(float64(time.Second) / m.BroadcastRate)
		warmup, window := m.periods(every)
		args = []string{broadcast, r.url(), "-c", fmt.Sprint(m.Audience), "-r", fmt.Sprint(m.BroadcastRate),
			"--message", fmt.Sprintf("{{.Mark}}{{.Pad %d}}", m.Size-markSize), "--warmup", warmup.String(), "-d", window.String()}
	case burst:
		file, err := m.burstFile(r)
		if err != nil {
			return nil, err
		}
		return []string{"run", file}, nil
	}
	return append(append(args, common...), r.ownProtocol(step)...), nil
}

// periods has the measured time begin and end in the middle between two
// publishes, so that it has all of the work of each in it.
func (m *meter) periods(every time.Duration) (warmup, window time.Duration) {
	return every/2 + every*(m.Warmup/every), every * max(1, m.Window/every)
}

// burstFile writes a scenario for each message of a burst, all due at the same
// times. What each counts is the message that begins with its letter, on its
// share of the connections; all get all of them.
func (m *meter) burstFile(r *running) (string, error) {
	warmup, window := m.periods(m.BurstEvery)
	var b strings.Builder
	fmt.Fprintf(&b, "name: burst\nwarmup: %v\nduration: %v\nsettle: 20s\npids: [%d]\n", warmup, window, r.PID())
	fmt.Fprintf(&b, "defaults: {url: %q, connect-rate: %d, connect-timeout: 30s, reply-timeout: 20s, rate: %v}\nscenarios:\n",
		r.url(), max(1, connectRate/m.Burst), 1/m.BurstEvery.Seconds())
	share := m.Audience / m.Burst
	for i := range m.Burst {
		var others []string
		for j := range m.Burst {
			if j != i {
				others = append(others, fmt.Sprintf("%q", letter(j)))
			}
		}
		fmt.Fprintf(&b, "  - {name: %s, kind: broadcast, connections: %d, first-id: %d, message: %q, ignore: [%s]}\n",
			letter(i), share, i*share, fmt.Sprintf("%s{{.Mark}}{{.Pad %d}}", letter(i), m.Size-markSize-1), strings.Join(others, ", "))
	}
	file := filepath.Join(m.dir, "burst.yml")
	return file, os.WriteFile(file, []byte(b.String()), 0o644)
}

func letter(i int) string { return string(rune('a' + i)) }
