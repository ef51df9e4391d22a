package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// withSignals is a context that ends at the first SIGINT or SIGTERM. A second one ends the process at once. stop gives
// signals back to their default.
func withSignals(parent context.Context, log *slog.Logger) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	done := make(chan struct{})
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		for {
			select {
			case <-done:
				return
			case sig := <-signals:
				if ctx.Err() != nil {
					log.Error("second signal, ending at once", "signal", sig.String())
					os.Exit(int(exitSignal) + int(sig.(syscall.Signal)))
				}
				log.Info("signal", "signal", sig.String())
				cancel()
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}
