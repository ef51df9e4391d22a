package crowd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"carillon/cluster/services"
)

// Load says what the clients are to be.
type Load struct {
	Kind        string // of carillon bench: heartbeat, broadcast
	Connections int
	Rate        int      // connects a second
	Flags       []string // further flags of carillon bench
}

// Clients is a carillon bench that runs. Any goroutine.
type Clients struct {
	cmd    *exec.Cmd
	dir    string
	report string
	out    *tail
	done   chan struct{}
	err    error
}

// Load starts clients of the program at path.
func (c *Cluster) Load(path string, l Load) (*Clients, error) {
	dir, err := os.MkdirTemp("", "carillon-crowd-")
	if err != nil {
		return nil, err
	}
	clients := &Clients{dir: dir, report: filepath.Join(dir, "report.json"), out: &tail{}, done: make(chan struct{})}
	args := append([]string{"bench", l.Kind, "ws://" + services.Host + ":" + c.port + "/ws?token={{.Token}}",
		"-c", strconv.Itoa(l.Connections), "--connect-rate", strconv.Itoa(l.Rate), "--connect-timeout", "60s",
		"--limit", "20m", "--progress", "json", "--json", clients.report}, l.Flags...)
	clients.cmd = exec.Command(path, args...)
	clients.cmd.Env = append(os.Environ(), "CARILLON_BENCH_JWT_SECRET="+secret)
	clients.cmd.Stdout, clients.cmd.Stderr = clients.out, clients.out
	wait, err := services.Start(clients.cmd)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	go func() {
		clients.err = wait()
		close(clients.done)
	}()
	return clients, nil
}

func (c *Clients) pid() int { return c.cmd.Process.Pid }

// Until waits for something that happens while the clients are there.
func (c *Clients) Until(ctx context.Context, holds func() (bool, error)) error {
	for {
		if ok, err := holds(); ok || err != nil {
			return err
		}
		select {
		case <-c.done:
			return fmt.Errorf("the load has ended before its time: %w: %s", c.err, c.out)
		default:
		}
		if !Pause(ctx, between) {
			return ctx.Err()
		}
	}
}

// Connected waits until everybody who could is connected: the load tester goes on with
// those it has, should somebody not get in.
func (c *Clients) Connected(ctx context.Context) error {
	return c.Until(ctx, func() (bool, error) {
		out := c.out.String()
		return strings.Contains(out, `"phase":"warmup"`) || strings.Contains(out, `"phase":"measure"`), nil
	})
}

// Measuring waits until what the report tells is measured.
func (c *Clients) Measuring(ctx context.Context) error {
	return c.Until(ctx, func() (bool, error) { return c.Measured(), nil })
}

// Measured tells whether what the report tells is being measured, or has been.
func (c *Clients) Measured() bool { return strings.Contains(c.out.String(), `"phase":"measure"`) }

// Stop ends the load early.
func (c *Clients) Stop() error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	<-c.done
	return os.RemoveAll(c.dir)
}

// Counts is what the load tester counted.
type Counts struct{ Connected, Expected, OK, Lost, Received, Closed int }

// Result is what became of a load.
type Result struct {
	Verdict  string
	Setup    Counts
	Measured Counts
	P50, P99 time.Duration
	Seconds  []time.Duration // p99 of each measured second
	Causes   map[string]int  // of what failed, and how often
}

// Finish waits for the load to end and returns what became of it. When ctx ends before, it
// ends the load.
func (c *Clients) Finish(ctx context.Context) (r Result, err error) {
	select {
	case <-c.done:
	case <-ctx.Done():
		return r, errors.Join(ctx.Err(), c.Stop())
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.dir)) }()
	text, err := os.ReadFile(c.report)
	if err != nil {
		return r, fmt.Errorf("%w: %w: %s", c.err, err, c.out)
	}
	var report struct {
		Verdict   string
		Scenarios []struct {
			Setup, Measured struct {
				Counts Counts
				Causes map[string]int
			}
			Latency struct {
				Latency struct {
					P50 float64 `json:"p50_ms"`
					P99 float64 `json:"p99_ms"`
				}
			}
			Series []struct {
				Phase string
				P99   float64 `json:"p99_ms"`
			}
		}
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return r, err
	}
	if len(report.Scenarios) != 1 {
		return r, fmt.Errorf("a report of %d scenarios", len(report.Scenarios))
	}
	s := report.Scenarios[0]
	causes := maps.Clone(s.Setup.Causes)
	for cause, n := range s.Measured.Causes {
		if causes == nil {
			causes = make(map[string]int)
		}
		causes[cause] += n
	}
	ms := func(v float64) time.Duration { return time.Duration(v * float64(time.Millisecond)) }
	var seconds []time.Duration
	for _, p := range s.Series {
		if p.Phase == "measure" {
			seconds = append(seconds, ms(p.P99))
		}
	}
	return Result{
		Verdict: report.Verdict, Setup: s.Setup.Counts, Measured: s.Measured.Counts,
		P50: ms(s.Latency.Latency.P50), P99: ms(s.Latency.Latency.P99),
		Seconds: seconds, Causes: causes,
	}, nil
}
