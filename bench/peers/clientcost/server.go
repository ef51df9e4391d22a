package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"carillon/bench/peers/internal/proc"
)

// server is the server that all tools work against.
type server struct {
	*proc.Process
	addr   string
	client http.Client
}

// stats is what the server counted so far.
type stats struct{ Conns, Received, Sent, Slow, Size int64 }

func startServer(ctx context.Context, path string) (*server, error) {
	port, err := proc.FreePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	p, err := proc.Start(path, []string{"--port", port}, nil)
	if err != nil {
		return nil, err
	}
	s := &server{Process: p, addr: "127.0.0.1:" + port, client: http.Client{Transport: &http.Transport{}, Timeout: proc.Patience}}
	err = s.Wait(ctx, "the server to answer", proc.Patience, func() (bool, error) {
		_, err := s.stats()
		return err == nil, nil
	})
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *server) stop() {
	s.client.CloseIdleConnections()
	s.Process.Stop()
}

func (s *server) stats() (st stats, err error) {
	resp, err := s.client.Get("http://" + s.addr + "/stats")
	if err != nil {
		return st, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return st, fmt.Errorf("stats of the server: %s", resp.Status)
	}
	return st, json.NewDecoder(resp.Body).Decode(&st)
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
