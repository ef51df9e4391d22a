package main

import (
	"context"
	"encoding/gob"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"carillon/cmd/carillon/internal/supervise"
	"carillon/server"
	"carillon/server/config"
)

// workerCommand makes this program a worker.
const workerCommand = "worker"

// assignment is what a worker gets to do. It gets the whole configuration, so that all workers have the same, also those
// that are started after somebody has begun to edit the file; and by a pipe, where nobody else sees its secrets. The key
// of clients' tokens is there for the same reason: workers of one port have to take the same tokens. The files of
// cluster.tls-… are read by each worker: they are between it and the services, which have their own time to change.
type assignment struct {
	Config    config.Config
	Owner     string // who has started it, for the cluster
	PublicKey string // what was in auth.jwt.public-key-file
}

func newWorker() *cobra.Command {
	return &cobra.Command{
		Use:    workerCommand + " NODE",
		Short:  "Be a worker of serve --processes (which starts it)",
		Hidden: true,
		Args:   cobra.ExactArgs(1), // for people who look at the list of processes
		RunE:   run(work),
	}
}

// work serves until the supervisor closes standard input, or dies, or a signal comes.
func work(cmd *cobra.Command, _ []string) error {
	outliveReaders()
	_ = os.WriteFile("/proc/self/comm", []byte(cmd.Root().Name()), 0) // else Linux has it from the path, see program
	var a assignment
	in := cmd.InOrStdin()
	switch err := gob.NewDecoder(in).Decode(&a); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil // called off before it began
	case err != nil:
		return fail(exitUsage, errors.New("no assignment on standard input: workers are started by serve --processes"))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	logTo := os.NewFile(supervise.LogFD, "log")
	defer logTo.Close()
	log := newLogger(logTo, a.Config.Log).With(workerAttr, a.Config.Server.NodeID)
	return runGateway(ctx, cmd, a.Config, server.Options{Logger: log, Owner: a.Owner, PublicKeyPEM: []byte(a.PublicKey)}, func() {})
}
