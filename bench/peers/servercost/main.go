// Command servercost measures what servers cost: each does the same work for the
// same load, that of carillon bench or of crowd, and its CPU time and memory are
// read from the system. The load's own cost does not count.
//
//	go run ./servercost --carillon ../../bin/carillon
//
// Each measurement has a fresh server, and they take turns in every round, so
// that a machine that gets slower does so for all. It prints tables, and with
// --json everything that was measured.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"carillon/bench/peers/internal/command"
	"carillon/bench/peers/internal/page"
)

func main() { command.Main("servercost", run) }

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
	if err := s.configure(dir); err != nil {
		return err
	}
	m := &meter{settings: s, dir: dir, log: stderr}
	samples, failed := m.all(ctx)
	if failed != nil && (!s.keepGoing || ctx.Err() != nil) {
		return failed
	}
	rows := summarise(samples)
	if err := command.Save(s.out, s, samples, rows); err != nil {
		return err
	}
	tables := map[string]string{}
	for _, step := range s.Steps {
		var b strings.Builder
		if err := write(&b, step, rows); err != nil {
			return err
		}
		if b.Len() > 0 {
			fmt.Fprintln(stdout, b.String())
			tables["servercost "+step] = b.String()
		}
	}
	if s.page != "" {
		failed = errors.Join(failed, page.Fill(s.page, tables))
	}
	return failed
}
