package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"carillon/bench/fleet"
	"carillon/bench/live"
	"carillon/bench/plan"
	"carillon/bench/report"
)

// kindHelp says in a line what each kind of scenario does.
var kindHelp = map[plan.Kind]string{
	plan.Connect:   "Ramp to a number of connections, hold them, disconnect",
	plan.Heartbeat: "Send a fixed request, want a fixed reply",
	plan.Echo:      "Send marked messages, want them back as they were",
	plan.Broadcast: "Publish messages that every connection has to get",
	plan.Push:      "Publish messages for one user each",
	plan.Churn:     "Have connections come and go while others are measured",
	plan.Storm:     "Drop all connections at once and have them reconnect",
	plan.Slow:      "Broadcast while a share of the clients reads slowly or not at all",
	plan.Soak:      "Heartbeats for long, with the slopes of memory and latency",
}

func newBench() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Load any WebSocket server, and measure it",
		Long: `Load any WebSocket server and measure it: connections, latency, and what became
of every message. The report goes to standard output, everything else to
standard error.

Targets that are neither loopback nor private are refused unless
--i-own-this-target is given. Runs are bounded in time and count.

` + benchExitHelp(),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, kind := range plan.Kinds() {
		cmd.AddCommand(newBenchKind(kind))
	}
	cmd.AddCommand(newBenchRun(), newBenchAgent(), newBenchCompare(), newBenchSchema(), newBenchWorker())
	return cmd
}

// benchExitHelp is the list of exit codes as the help shows it.
func benchExitHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, c := range report.ExitCodes() {
		fmt.Fprintf(&b, "  %d\t%s\n", int(c), c)
	}
	fmt.Fprintf(&b, "  %d\tagent: %s\n", exitListen, exitListen)
	for _, sig := range endSignals {
		fmt.Fprintf(&b, "  %d\t%s, without a report\n", int(secondSignal(sig)), secondSignal(sig))
	}
	return b.String()
}

// newBenchKind is the command of one kind of scenario.
func newBenchKind(kind plan.Kind) *cobra.Command {
	cmd := &cobra.Command{
		Use:   string(kind) + " URL",
		Short: kindHelp[kind],
		Long:  kindHelp[kind] + ".\n\nExample:\n  carillon bench " + string(kind) + " 'ws://127.0.0.1:18001/ws?token=Admin@123' \\\n    " + kindExample[kind],
		Args:  cobra.ExactArgs(1),
	}
	flags := plan.AddFlags(cmd.Flags(), kind)
	out := addOutputFlags(cmd.Flags())
	cmd.RunE = run(func(cmd *cobra.Command, args []string) error {
		p, err := flags.Plan(args[0])
		if err != nil {
			return fail(exitUsage, err)
		}
		return out.bench(cmd, p)
	})
	return cmd
}

// kindExample has the flags of each kind's example.
var kindExample = map[plan.Kind]string{
	plan.Connect:   "-c 10000 --connect-rate 2000",
	plan.Heartbeat: "-c 1000 -r 5000 -d 30s",
	plan.Echo:      "-c 100 -r 10000 --fail-if 'p99>50ms'",
	plan.Broadcast: "-c 10000 -r 10 --pid $(pidof carillon | tr ' ' ,)",
	plan.Push:      "-c 1000 -r 5000 --user 'u{{.ID}}'",
	plan.Churn:     "-c 5000 --churn-rate 500",
	plan.Storm:     "-c 10000 --cycles 3 --backoff",
	plan.Slow:      "-c 1000 --slow-share 0.1",
	plan.Soak:      "-c 10000 -d 1h --pid $(pidof carillon | tr ' ' ,)",
}

func newBenchRun() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run FILE",
		Short: "Run a scenario file",
		Long:  "Run the scenarios of a YAML file, all at the same time. The format is described\nin docs/bench-scenarios.md.",
		Args:  cobra.ExactArgs(1),
	}
	flags := plan.AddRunFlags(cmd.Flags())
	out := addOutputFlags(cmd.Flags())
	cmd.RunE = run(func(cmd *cobra.Command, args []string) error {
		p, err := flags.Load(args[0])
		if err != nil {
			return fail(exitUsage, err)
		}
		return out.bench(cmd, p)
	})
	return cmd
}

// workerArgs make this program a worker.
var workerArgs = []string{"bench", "worker"}

func newBenchWorker() *cobra.Command {
	return &cobra.Command{
		Use:    workerArgs[1],
		Short:  "Be a worker of a run (the other commands start it)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: run(func(*cobra.Command, []string) error {
			signal.Ignore(endSignals...) // the coordinator ends it, with its figures
			return fleet.Work(os.Stdin, os.Stdout)
		}),
	}
}

func newBenchSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of reports",
		Args:  cobra.NoArgs,
		RunE: run(func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(report.JSONSchema())
			return err
		}),
	}
}

// endSignals end a run in order: the last is what a terminal that goes sends.
var endSignals = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}

// bench carries out a plan, shows it while it runs, and writes its reports.
func (o *output) bench(cmd *cobra.Command, p *plan.Plan) error {
	if err := o.check(); err != nil {
		return fail(exitUsage, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	kill := func() { os.Exit(int(secondSignal(syscall.SIGINT))) }
	signals := make(chan os.Signal, 2)
	notify(signals, endSignals)
	defer signal.Stop(signals)
	go func() {
		for sig := range signals {
			if ctx.Err() != nil {
				os.Exit(int(secondSignal(sig)))
			}
			fmt.Fprintln(cmd.ErrOrStderr(), "ending the run; once more to end at once")
			cancel()
		}
	}()
	defer close(signals)

	show, err := o.display(cmd, cancel, kill)
	if err != nil {
		return fail(exitUsage, err)
	}
	rep, err := fleet.Run(ctx, p, fleet.Options{
		Spawn: fleet.Spawn{Args: workerArgs}, Command: append([]string{"carillon"}, plan.MaskArgs(os.Args[1:])...),
		Version: buildVersion(), Progress: show.Show,
	})
	_ = show.Close()
	if err != nil {
		if _, ok := errors.AsType[plan.Errors](err); ok {
			return fail(exitUsage, err)
		}
		return err
	}
	if err := o.write(cmd, rep); err != nil {
		return err
	}
	if code := rep.Verdict.ExitCode(); code != report.ExitPassed {
		return fail(exitCode(code), errors.New(strings.Join(append([]string{string(rep.Verdict)}, rep.Reasons...), ": ")))
	}
	return nil
}

// addOutputFlags registers what the commands that run something have in common.
func addOutputFlags(fs *pflag.FlagSet) *output {
	o := new(output)
	fs.StringVar(&o.json, "json", "", "write the report as JSON to this file; - is standard output")
	fs.StringVar(&o.html, "html", "", "write it as one HTML page")
	fs.StringVar(&o.junit, "junit", "", "write it as JUnit XML, for CI")
	fs.StringVar(&o.progress, "progress", live.Auto.String(), "how the run is shown: auto, screen, lines, json, quiet")
	fs.StringVar(&o.color, "color", live.ColorAuto.String(), "auto, always or never")
	fs.StringVar(&o.ui, "ui", "", "serve a live page on this address; alone: a free port of 127.0.0.1")
	fs.Lookup("ui").NoOptDefVal = "127.0.0.1:0"
	fs.BoolVarP(&o.quiet, "quiet", "q", false, "no text report; the exit code tells")
	return o
}
