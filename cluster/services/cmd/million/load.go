package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"carillon/cluster/services"
)

// load is the load tester.
type load struct {
	cmd    *exec.Cmd
	dir    string
	report string
	out    *tail
	done   chan struct{}
	err    error
}

func startLoad(o options, path string, g *gateways) (*load, error) {
	dir, err := os.MkdirTemp("", "carillon-million-")
	if err != nil {
		return nil, err
	}
	l := &load{dir: dir, report: filepath.Join(dir, "report.json"), out: &tail{}, done: make(chan struct{})}
	args := []string{"bench", "heartbeat", "ws://" + services.Host + ":" + g.port + "/ws?token={{.Token}}",
		"-c", strconv.Itoa(o.count), "--connect-rate", strconv.Itoa(o.rate), "--connect-timeout", "60s",
		"--every", o.every.String(), "-d", o.hold.String(), "--warmup", "2s", "--reply-timeout", "30s", "--settle", "30s",
		"--ignore", news, "--limit", "20m", "--progress", "json", "--json", l.report}
	if o.report != "" {
		args = append(args, "--html", o.report)
	}
	l.cmd = exec.Command(path, args...)
	l.cmd.Env = append(os.Environ(), "CARILLON_BENCH_JWT_SECRET="+secret)
	l.cmd.Stdout, l.cmd.Stderr = l.out, l.out
	wait, err := services.Start(l.cmd)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	go func() {
		l.err = wait()
		close(l.done)
	}()
	return l, nil
}

// until waits for something that happens while the load runs.
func (l *load) until(ctx context.Context, holds func() (bool, error)) error {
	for {
		if ok, err := holds(); ok || err != nil {
			return err
		}
		select {
		case <-l.done:
			return fmt.Errorf("the load has ended before its time: %w: %s", l.err, l.out)
		default:
		}
		if !pause(ctx) {
			return ctx.Err()
		}
	}
}

// measuring waits until everybody is connected and the heartbeats are measured.
func (l *load) measuring(ctx context.Context) error {
	return l.until(ctx, func() (bool, error) { return strings.Contains(l.out.String(), `"phase":"measure"`), nil })
}

// stop ends the load early.
func (l *load) stop() error {
	_ = l.cmd.Process.Signal(syscall.SIGTERM)
	<-l.done
	return os.RemoveAll(l.dir)
}

// finish waits for the load to end and prints who has got what.
func (l *load) finish(o options, w io.Writer) (err error) {
	defer func() { err = errors.Join(err, os.RemoveAll(l.dir)) }()
	<-l.done
	text, err := os.ReadFile(l.report)
	if err != nil {
		return fmt.Errorf("%w: %w: %s", l.err, err, l.out)
	}
	var r struct {
		Verdict   string
		Scenarios []struct {
			Setup, Measured struct {
				Counts struct{ Connected, Expected, OK, Lost, Received, Closed int }
			}
			Latency struct {
				Latency struct {
					P50 float64 `json:"p50_ms"`
					P99 float64 `json:"p99_ms"`
				}
			}
		}
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return err
	}
	if len(r.Scenarios) != 1 {
		return fmt.Errorf("a report of %d scenarios", len(r.Scenarios))
	}
	s := r.Scenarios[0]
	beats, got := s.Measured.Counts, s.Measured.Counts.Received-s.Measured.Counts.OK
	fmt.Fprintf(w, "connected    %d, closed meanwhile %d\n", s.Setup.Counts.Connected, s.Setup.Counts.Closed+beats.Closed)
	fmt.Fprintf(w, "heartbeats   %d of %d acknowledged, p50 %.3f ms, p99 %.1f ms\n", beats.OK, beats.Expected, s.Latency.Latency.P50, s.Latency.Latency.P99)
	fmt.Fprintf(w, "broadcast    reached %d of %d\n", got, o.count)
	fmt.Fprintf(w, "verdict      of the load tester: %s\n", r.Verdict)
	if s.Setup.Counts.Connected != o.count || beats.OK != beats.Expected || got != o.count {
		return errors.New("not everybody got everything")
	}
	return nil
}
