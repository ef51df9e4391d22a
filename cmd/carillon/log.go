package main

import (
	"io"
	"log/slog"
	"os/signal"
	"syscall"

	"carillon/cmd/carillon/internal/supervise"
	"carillon/server/config"
)

// outliveReaders keeps a gateway alive when who reads its standard output or standard error has gone: Go ends a process
// that writes there after that, and a line of the log is no reason to. It is not for commands whose output is what they
// are run for.
func outliveReaders() { signal.Ignore(syscall.SIGPIPE) }

// newOutput is where lines for w meet, so that nobody waits long for a w that nobody reads.
func newOutput(w io.Writer, cfg config.Log) *supervise.Output {
	return supervise.NewOutput(w, func(w io.Writer, lines uint64) {
		newLogger(w, cfg).Warn("log lines dropped, because nobody read standard error", "lines", lines)
	})
}

// newLogger writes lines to w as the configuration says.
func newLogger(w io.Writer, cfg config.Log) *slog.Logger {
	opt := &slog.HandlerOptions{Level: cfg.Level.Slog()}
	if cfg.Format == config.LogJSON {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}
