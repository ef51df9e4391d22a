package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"carillon/cluster"
	"carillon/server"
	"carillon/server/config"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Args:  cobra.NoArgs,
		RunE:  run(serve),
	}
	config.AddFlags(cmd.Flags())
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		out := cmd.OutOrStdout()
		fmt.Fprint(out, serveHelp)
		_ = config.WriteHelp(out)
		fmt.Fprint(out, "\n"+exitHelp())
	})
	return cmd
}

const serveHelp = `Run the gateway until SIGTERM or SIGINT, then drain: clients are told to go
(close code 1001), and the process ends when they have. A second signal ends it
at once. The address it listens on is printed to standard output, log lines go
to standard error.

With --processes N a supervisor runs N workers on the one port. Each is a node
of the cluster, ID-1 to ID-N, with its own limits (of open files, too), and
all of them need a Redis and a RabbitMQ. A worker that dies is started again,
after 200 ms at first and 30 s at most. Until all have served, one that finds
the configuration invalid or can not listen ends them all, and so does it when
none serves within a minute of the start. The address is printed when all
workers serve. A signal to the supervisor drains all workers at once; so does
SIGHUP, which never counts as a second signal and does nothing under nohup. A
signal to a worker drains that one, which is then started again. When the
supervisor dies its workers drain. Every worker has its own metrics:
admin.listen stands for N ports, one after the other; on the shared port some
worker answers.

Usage:
  carillon serve [--config file] [--key=value ...]

`

func serve(cmd *cobra.Command, _ []string) error {
	outliveReaders()
	loaded, err := load(cmd)
	if err != nil {
		printNotes(cmd.ErrOrStderr(), loaded)
		return err
	}
	cfg := loaded.Config
	if cfg.Server.Processes > 1 {
		return superviseWorkers(cmd, loaded)
	}
	out := newOutput(cmd.ErrOrStderr(), cfg.Log)
	defer out.Close()
	log := newLogger(out.Waiting(), cfg.Log)
	logNotes(log, loaded)
	giveBack, err := nameNode(&cfg.Server)
	if err != nil {
		return err
	}
	defer giveBack()
	return runGateway(context.Background(), cmd, cfg, server.Options{Logger: log}, out.Close)
}

// nameNode gives a node that was given no id the default one, which is its own
// until it is given back.
func nameNode(s *config.Server) (giveBack func(), err error) {
	if s.NodeID != "" {
		return func() {}, nil
	}
	id, giveBack, err := config.DefaultNodeID(*s)
	if err != nil {
		return nil, err
	}
	s.NodeID = id
	return giveBack, nil
}

// runGateway serves until ctx ends or a signal comes, and prints the address. flush is called before a second signal
// ends the process.
func runGateway(ctx context.Context, cmd *cobra.Command, cfg config.Config, opt server.Options, flush func()) error {
	cfg.Server.EventLoops = tuneRuntime(cfg.Server.EventLoops)
	listening := false // OnListen is called by Run, in its goroutine
	opt.Version = buildVersion()
	opt.OnListen = func(addr string) {
		listening = true
		fmt.Fprintln(cmd.OutOrStdout(), "listening on "+addr)
	}
	srv, err := server.New(cfg, opt)
	if err != nil {
		return configError(err)
	}
	ctx, stop := withSignals(ctx, opt.Logger, flush)
	defer stop()
	err = srv.Run(ctx)
	switch {
	case errors.Is(err, cluster.ErrNodeTaken):
		return fail(exitTaken, err)
	case errors.Is(err, server.ErrDrainTimeout):
		return fail(exitDrain, err)
	case err != nil && !listening:
		return fail(exitListen, err)
	}
	return err
}

// logNotes logs what the configuration has to say before anything runs.
func logNotes(log *slog.Logger, loaded *config.Loaded) {
	if len(loaded.Files) > 0 {
		log.Info("configuration read", "file", strings.Join(loaded.Files, ","))
	}
	for _, text := range loaded.Warnings {
		log.Warn(text)
	}
	if len(loaded.Ignored) > 0 {
		log.Info("keys ignored, because they mean nothing here", "keys", strings.Join(loaded.Ignored, ", "))
	}
}
