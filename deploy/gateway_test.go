package deploy

import (
	"context"
	"log/slog"
	"testing"

	"carillon/cluster/services"
	"carillon/server"
	"carillon/server/config"
)

const pushToken = "bells-and-whistles"

// gateway is a gateway in this process.
type gateway struct {
	*server.Server
	addr  string
	drain context.CancelFunc
	ended chan error
}

func startGateway(t *testing.T, more ...func(*server.Options)) *gateway {
	t.Helper()
	cfg := config.Default()
	cfg.Server.Address, cfg.Server.Port = services.Host, 0
	cfg.Server.DrainWindow = 0
	cfg.Admin.Tokens = []string{pushToken}
	addr := make(chan string, 1)
	opt := server.Options{
		Logger:   slog.New(slog.DiscardHandler),
		OnListen: func(a string) { addr <- a },
	}
	for _, f := range more {
		f(&opt)
	}
	srv, err := server.New(cfg, opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	g := &gateway{Server: srv, drain: cancel, ended: make(chan error, 1)}
	go func() {
		g.ended <- srv.Run(ctx)
		close(g.ended)
	}()
	select {
	case g.addr = <-addr:
	case err := <-g.ended:
		t.Fatalf("gateway: %v", err)
	}
	t.Cleanup(func() {
		g.drain()
		if err := <-g.ended; err != nil {
			t.Errorf("gateway: %v", err)
		}
	})
	return g
}
