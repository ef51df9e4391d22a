package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"carillon/cmd/carillon/internal/supervise"
	"carillon/netpoll"
	"carillon/server"
	"carillon/server/config"
)

const (
	// startWindow is how long a start may take that has brought up no worker yet.
	startWindow = time.Minute
	// killAfter is what a worker gets beyond server.shutdown-timeout before it is killed.
	killAfter = 5 * time.Second
)

// superviseWorkers runs server.processes workers on one port until a signal comes.
func superviseWorkers(cmd *cobra.Command, loaded *config.Loaded) error {
	cfg := loaded.Config
	out := newOutput(cmd.ErrOrStderr(), cfg.Log)
	defer out.Close()
	log := newLogger(out, cfg.Log)
	logNotes(log, loaded)
	key, err := readKey(cfg.Auth)
	if err != nil {
		return configError(err)
	}
	if err := judge(cfg, key); err != nil {
		return err
	}
	port, release, err := netpoll.HoldPort(cfg.Server.Address, cfg.Server.Port, cfg.Server.ReusePort)
	if err != nil {
		return fail(exitListen, err)
	}
	defer release()
	cfg.Server.Port, cfg.Server.ReusePort = port, true
	giveBack, err := nameNode(&cfg.Server)
	if err != nil {
		return err
	}
	defer giveBack()

	team := newTeam(cfg, key, out)
	ctx, drain := context.WithCancel(context.Background())
	defer drain()
	kill := make(chan struct{})
	var second atomic.Int64
	stop := onSignals(log, drain, func(code exitCode) {
		if second.CompareAndSwap(0, int64(code)) {
			close(kill)
		}
	}, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	log.Info("starting workers", "node", cfg.Server.NodeID, "processes", cfg.Server.Processes, "port", port, "pid", os.Getpid())
	outcome := supervise.Run(ctx, kill, supervise.Options{
		Workers: team.names, Start: team.start, Logger: log,
		Final: isFinal,
		OnServing: func() {
			fmt.Fprintln(cmd.OutOrStdout(), *team.address.Load())
			log.Info("all workers serve")
		},
		StartWindow: startWindow, DrainTimeout: cfg.Server.ShutdownTimeout + killAfter,
	})
	if code := exitCode(second.Load()); code != 0 {
		return fail(code, errors.New(code.String()))
	}
	return verdict(outcome)
}

// readKey reads the public key of tokens, once for all workers that there will be.
func readKey(cfg config.Auth) ([]byte, error) {
	if cfg.Mode != config.AuthJWT || cfg.JWT.PublicKeyFile == "" {
		return nil, nil
	}
	key, err := os.ReadFile(cfg.JWT.PublicKeyFile)
	if err == nil && len(key) == 0 {
		err = fmt.Errorf("auth: %s: empty", cfg.JWT.PublicKeyFile)
	}
	return key, err
}

// judge finds what only the server can judge, such as the content of a key file, before there are workers to find it.
func judge(cfg config.Config, key []byte) error {
	_, err := server.New(cfg, server.Options{Logger: slog.New(slog.DiscardHandler), PublicKeyPEM: key})
	return configError(err)
}

// isFinal tells of exits that say, as long as not all workers have served, that starting again would not help.
func isFinal(e supervise.Exit) bool {
	return e.Signal == 0 && (e.Code == int(exitConfig) || e.Code == int(exitListen))
}

// verdict makes of how the workers ended how the supervisor does: as the worst of them.
func verdict(o supervise.Outcome) error {
	if final, ok := errors.AsType[*supervise.FinalError](o.Err); ok {
		return fail(exitCode(final.Exit.Code), o.Err)
	}
	if o.Err != nil {
		return o.Err
	}
	worst, err := exitOK, error(nil)
	for _, e := range o.Exits {
		code := exitFailure
		switch {
		case e.Clean():
			continue
		case e.Late, e.Signal == 0 && e.Code == int(exitDrain):
			code = exitDrain
		}
		if worst == exitOK || code == exitFailure && worst == exitDrain {
			worst, err = code, fmt.Errorf("worker %s: %v", e.Worker, e)
		}
	}
	return fail(worst, err)
}
