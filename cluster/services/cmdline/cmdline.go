// Package cmdline is what commands that start servers have in common: flags, interrupts and
// exit codes.
package cmdline

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Wrong is the error of flags that cannot be carried out.
type Wrong string

func (w Wrong) Error() string { return string(w) }

// Main carries out run with the flags that args set, until an interrupt ends it; the second
// one ends the process at once. It returns the exit code: 1 when run has failed, 2 when flags
// are wrong.
func Main(flags *flag.FlagSet, args []string, run func(ctx context.Context) error) int {
	if err := flags.Parse(args); err != nil {
		return 2
	}
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	err := run(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", flags.Name(), err)
	if _, wrong := errors.AsType[Wrong](err); wrong {
		return 2
	}
	return 1
}
