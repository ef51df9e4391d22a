// Command servercost measures what servers cost: each does the same work for the
// same load, that of carillon bench, and its CPU time and memory are read from
// /proc. The load's own cost does not count.
//
//	go run ./servercost --carillon ../../bin/carillon
//
// Each measurement has a fresh server, and they take turns in every round, so
// that a machine that gets slower does so for all. It prints tables, and with
// --json everything that was measured.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "servercost:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "servercost")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := s.build(ctx, dir); err != nil {
		return err
	}
	m := &meter{settings: s, dir: dir, log: stderr}
	samples, err := m.all(ctx)
	if err != nil {
		return err
	}
	rows := summarise(samples)
	if s.out != "" {
		b, err := json.MarshalIndent(map[string]any{"settings": s, "samples": samples, "rows": rows}, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(s.out, append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	return write(stdout, rows)
}
