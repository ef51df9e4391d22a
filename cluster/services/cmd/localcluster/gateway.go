package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"carillon/cluster/services"
)

// readyLimit bounds how long a gateway may take to join the cluster.
const readyLimit = time.Minute

// gateway is a node of the cluster, a process.
type gateway struct {
	name string
	port int
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how; not nil, after done
}

// startGateway starts gateway i. It tells ended when it has ended.
func startGateway(o options, i int, dir string, redis *services.Redis, rabbit *services.RabbitMQ, out *output, ended chan<- *gateway) (*gateway, error) {
	path, err := filepath.Abs(o.gateway)
	if err != nil {
		return nil, err
	}
	g := &gateway{name: "gw-" + strconv.Itoa(i+1), port: o.port + i, done: make(chan struct{})}
	g.cmd = exec.Command(path, "serve",
		"--server.port="+strconv.Itoa(g.port),
		"--server.node-id="+g.name,
		"--server.drain-window=1s",
		"--spring.data.redis.host="+services.Host,
		"--spring.data.redis.port="+strconv.Itoa(redis.Port()))
	// In a directory without a configuration file. The broker's password is not for
	// the list of processes.
	g.cmd.Dir = dir
	g.cmd.Env = append(os.Environ(), "CARILLON_SPRING_RABBITMQ_ADDRESSES="+rabbit.URL("/"))
	lines := out.lines(g.name)
	g.cmd.Stdout, g.cmd.Stderr = lines, lines
	// A child of its own that kept the output open would keep it from ending.
	g.cmd.WaitDelay = time.Second
	wait, err := services.Start(g.cmd)
	if err != nil {
		return nil, err
	}
	go func() {
		g.err = wait()
		if g.err == nil {
			g.err = errors.New("exit status 0")
		}
		lines.end()
		close(g.done)
		ended <- g
	}()
	return g, nil
}

func (g *gateway) url() string { return "http://localhost:" + strconv.Itoa(g.port) }

// waitReady waits until the gateway has joined the cluster.
func (g *gateway) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for {
		err := g.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", g.name, err)
		case <-g.done:
			return fmt.Errorf("%s has ended: %w", g.name, g.err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (g *gateway) ready(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url()+"/readyz", nil)
	if err != nil {
		return err
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

// terminate asks the gateway to drain and end.
func (g *gateway) terminate() { _ = g.cmd.Process.Signal(syscall.SIGTERM) }
