package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

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

Usage:
  carillon serve [--config file] [--key=value ...]

`

func serve(cmd *cobra.Command, _ []string) error {
	loaded, err := load(cmd)
	if err != nil {
		printNotes(cmd.ErrOrStderr(), loaded)
		return err
	}
	cfg := loaded.Config
	log := newLogger(cmd.ErrOrStderr(), cfg.Log)
	logNotes(log, loaded)
	cfg.Server.EventLoops = tuneRuntime(cfg.Server.EventLoops)
	if cfg.Server.NodeID == "" {
		id, release, err := config.DefaultNodeID(cfg.Server)
		if err != nil {
			return err
		}
		defer release()
		cfg.Server.NodeID = id
	}

	listening := false // OnListen is called by Run, in its goroutine
	srv, err := server.New(cfg, server.Options{Logger: log, Version: buildVersion(), OnListen: func(addr string) {
		listening = true
		fmt.Fprintln(cmd.OutOrStdout(), "listening on "+addr)
	}})
	if err != nil {
		return configError(err)
	}
	ctx, stop := withSignals(context.Background(), log)
	defer stop()
	err = srv.Run(ctx)
	switch {
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
