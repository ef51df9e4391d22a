// Command table prints what the gateway costs and reaches beside the goals of
// docs/performance.md: it has servercost measure the gateway beside its peers, runs
// the benchmarks of the reactor and of targeted pushes, and judges what came of
// them.
//
//	go run ./table --carillon ../../bin/carillon
//
// With --markdown the tables are put into a page as well.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"carillon/bench/peers/internal/command"
	"carillon/bench/peers/internal/figures"
	"carillon/bench/peers/internal/page"
)

func main() { command.Main("table", run) }

// settings is what the command is told.
type settings struct {
	carillon, peers, root        string
	servers, steps, page, report string
	rounds, peerRounds, fanout   int
	window                       time.Duration
	benchmarks                   bool
}

func parse(args []string, stderr io.Writer) (*settings, error) {
	s := &settings{}
	flags := flag.NewFlagSet("table", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.carillon, "carillon", "../../bin/carillon", "the carillon binary")
	flags.StringVar(&s.peers, "peers", ".", "the directory of the peers")
	flags.StringVar(&s.root, "root", "../..", "the directory of the gateway's module")
	flags.StringVar(&s.servers, "servers", "", "which servers; default: all that servercost knows")
	flags.StringVar(&s.steps, "steps", "", "which steps; default: all that servercost knows")
	flags.IntVar(&s.rounds, "rounds", 3, "how often each is measured; the median counts")
	flags.IntVar(&s.peerRounds, "peer-rounds", 1, "in how many of them servers of other projects take part")
	flags.DurationVar(&s.window, "window", 6*time.Second, "how long each is measured")
	flags.IntVar(&s.fanout, "fanout", 8, "rounds of the reactor beside a loop of send()")
	flags.BoolVar(&s.benchmarks, "benchmarks", true, "run the benchmarks too")
	flags.StringVar(&s.page, "markdown", "", "a page to put the tables into")
	flags.StringVar(&s.report, "json", "", "file for all that servercost measured")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if s.rounds < 1 || s.fanout < 1 {
		return nil, fmt.Errorf("--rounds %d, --fanout %d: want 1 at least", s.rounds, s.fanout)
	}
	return s, nil
}

// run prints the tables of what could be measured, and then fails if something
// could not.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "table")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	start := time.Now()
	rows, err := s.servercost(ctx, dir, stdout, stderr)
	var failed []error
	if err != nil {
		if len(rows) == 0 || ctx.Err() != nil {
			return err
		}
		failed = append(failed, err)
	}
	benched := benchmarks{}
	if s.benchmarks {
		for _, b := range benched.all(s.fanout) {
			out, err := s.benchmark(ctx, b, stderr)
			if err != nil {
				failed = append(failed, err)
			}
			benched.add(out)
		}
	}
	if ctx.Err() != nil {
		return errors.Join(failed...) // half of a run does not replace the last whole one
	}
	summary := judge(measured{rows, benched}).table()
	fmt.Fprintln(stdout, summary)
	fmt.Fprintf(stderr, "all of it took %v\n", time.Since(start).Round(time.Second))
	if s.page != "" {
		parts := map[string]string{"summary": summary, "machine": machine(s.settingsLine(), time.Since(start))}
		for name, columns := range benchmarkTables {
			if table := benched.table(name, columns); table != "" {
				parts[name] = table
			}
		}
		failed = append(failed, page.Fill(s.page, parts))
	}
	return errors.Join(failed...)
}

func (s *settings) settingsLine() string {
	return fmt.Sprintf("%d rounds, of which servers of other projects take part in %d, windows of %v", s.rounds, min(s.rounds, s.peerRounds), s.window)
}

// servercost has the servers measured. Rows are those of what could be.
func (s *settings) servercost(ctx context.Context, dir string, stdout, stderr io.Writer) ([]figures.Row, error) {
	tool := filepath.Join(dir, "servercost")
	build := exec.CommandContext(ctx, "go", "build", "-o", tool, "./servercost")
	build.Dir = s.peers
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build servercost: %w\n%s", err, out)
	}
	report := s.report
	if report == "" {
		report = filepath.Join(dir, "report.json")
	}
	args := []string{"--carillon", s.carillon, "--peers", s.peers, "--rounds", fmt.Sprint(s.rounds), "--peer-rounds", fmt.Sprint(s.peerRounds),
		"--window", s.window.String(), "--keep-going", "--json", report}
	for name, value := range map[string]string{"--servers": s.servers, "--steps": s.steps, "--markdown": s.page} {
		if value != "" {
			args = append(args, name, value)
		}
	}
	failed := s.command(ctx, "", tool, args, stdout, stderr)
	b, err := os.ReadFile(report)
	if err != nil {
		return nil, errors.Join(failed, err)
	}
	var r figures.Report
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, errors.Join(failed, err)
	}
	return r.Rows, failed
}

// benchmark runs a benchmark of the gateway's module and returns what it printed.
func (s *settings) benchmark(ctx context.Context, args []string, stderr io.Writer) (string, error) {
	var out bytes.Buffer
	args = append([]string{"test", "-run", "^$"}, args...)
	err := s.command(ctx, s.root, "go", args, io.MultiWriter(&out, stderr), stderr)
	return out.String(), err
}

// command runs a program until it ends. An interrupt is passed on, so that it ends
// what it has started.
func (s *settings) command(ctx context.Context, dir, name string, args []string, stdout, stderr io.Writer) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = time.Minute
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", filepath.Base(name), strings.Join(args, " "), err)
	}
	return nil
}
