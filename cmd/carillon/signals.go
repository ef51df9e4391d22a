package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// withSignals is a context that ends at the first SIGINT or SIGTERM. A second one ends the process at once, after a
// call of flush. stop gives signals back to their default.
func withSignals(parent context.Context, log *slog.Logger, flush func()) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	ignore := onSignals(log, cancel, func(code exitCode) {
		flush()
		os.Exit(int(code))
	}, syscall.SIGINT, syscall.SIGTERM)
	return ctx, func() {
		ignore()
		cancel()
	}
}

// notify has signals sent to a channel, but SIGHUP where it is ignored, as under nohup: it stays so.
func notify(to chan<- os.Signal, which []os.Signal) {
	for _, sig := range which {
		if sig != syscall.SIGHUP || !signal.Ignored(sig) {
			signal.Notify(to, sig)
		}
	}
}

// secondSignal is the exit code of a command that a second signal ended.
func secondSignal(sig os.Signal) exitCode { return exitSignal + exitCode(sig.(syscall.Signal)) }

// onSignals calls first at the first of the signals, and second at each further one, with the code to exit with. SIGHUP
// calls first as well, but does not count: a terminal that goes sends several. stop gives signals back to their default.
func onSignals(log *slog.Logger, first func(), second func(exitCode), which ...os.Signal) (stop func()) {
	signals := make(chan os.Signal, 2)
	done := make(chan struct{})
	notify(signals, which)
	go func() {
		for counted := 0; ; {
			select {
			case <-done:
				return
			case sig := <-signals:
				if sig != syscall.SIGHUP {
					counted++
				}
				if counted > 1 {
					log.Error("second signal, ending at once", "signal", sig.String())
					second(secondSignal(sig))
					continue
				}
				log.Info("signal", "signal", sig.String())
				first()
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}
