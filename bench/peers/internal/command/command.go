// Package command is what the measuring commands have in common around their
// measurements.
package command

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

// Main carries out run, which an interrupt ends, and ends the process.
func Main(name string, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

// Save writes what was measured, and how, to a file as JSON; "" is no file.
func Save(path string, settings, samples, rows any) error {
	if path == "" {
		return nil
	}
	b, err := json.MarshalIndent(map[string]any{"settings": settings, "samples": samples, "rows": rows}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
