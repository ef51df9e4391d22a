package main

import (
	"io"
	"log/slog"

	"carillon/server/config"
)

// newLogger writes lines to w as the configuration says.
func newLogger(w io.Writer, cfg config.Log) *slog.Logger {
	opt := &slog.HandlerOptions{Level: cfg.Level.Slog()}
	if cfg.Format == config.LogJSON {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}
