package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"carillon/bench/peers/internal/proc"
)

// server is how to start a server, and what differs for those who load it.
type server struct {
	pkg     string // of this module; "": not built here
	command func(s *settings, port string) []string
	path    string // of the URL to connect to; "": usualPath

	// Of a protocol of its own.
	message, expect, delivery string   // a heartbeat and its answer, what a broadcast becomes
	ignore                    string   // messages that begin so were not asked for
	not                       []string // steps that it has no equal of
}

// baseline is the server that others are compared with.
const baseline = "c"

// usualPath gives each connection a user of its own.
const usualPath = "/ws?token=u{{.ID}}"

var servers = map[string]server{
	baseline: {command: func(s *settings, port string) []string {
		return []string{filepath.Join(s.peers, "bin/cserver"), "--port", port}
	}},
	// The published token of its demo mode; all are sessions of one user.
	"carillon": {path: "/ws?token=Admin@123", command: func(s *settings, port string) []string {
		return []string{s.carillon, "serve", "--server.address=127.0.0.1", "--server.port=" + port}
	}},
	"coder":   ofGo("coderserver"),
	"gorilla": ofGo("gorillaserver"),
	"gws":     ofGo("gwsserver"),
	"nbio":    ofGo("nbioserver"),
	"centrifuge": func() server {
		sv := ofGo("centrifugeserver")
		sv.message = `{"id":2,"rpc":{"method":"HEARTBEAT"}}`
		sv.expect = `{"id":2,"rpc":{"data":{"type":"HEARTBEAT_ACK"}}}`
		sv.delivery = "*" // any that has the mark in it
		sv.ignore = `{"id":1,"connect"`
		sv.not = []string{burst} // it puts several into one message
		return sv
	}(),
	"ws": {command: func(s *settings, port string) []string {
		return []string{"node", filepath.Join(s.peers, "node/server.js"), "--port", port}
	}},
	"socketify": {command: func(s *settings, port string) []string {
		return []string{filepath.Join(s.peers, "socketify/.venv/bin/python"), filepath.Join(s.peers, "socketify/server.py"), "--port", port}
	}},
}

// serverNames has the baseline first.
func serverNames() []string {
	names := slices.Sorted(maps.Keys(servers))
	names = slices.DeleteFunc(names, func(name string) bool { return name == baseline })
	return append([]string{baseline}, names...)
}

func ofGo(pkg string) server {
	return server{pkg: pkg, command: func(s *settings, port string) []string {
		return []string{filepath.Join(s.built, pkg), "--port", port}
	}}
}

// build builds the servers in Go that are measured, all at once.
func (s *settings) build(ctx context.Context, dir string) error {
	s.built = dir
	args := []string{"build", "-o", dir}
	for _, name := range s.Servers {
		if pkg := servers[name].pkg; pkg != "" {
			args = append(args, "carillon/bench/peers/"+pkg)
		}
	}
	if len(args) == 3 {
		return nil
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = s.peers
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the servers: %w\n%s", err, out)
	}
	return nil
}

// running is a server that listens.
type running struct {
	*proc.Process
	server
	addr string
}

// url is what a load connects to.
func (r *running) url() string {
	path := r.path
	if path == "" {
		path = usualPath
	}
	return "ws://" + r.addr + path
}

// start starts a server and waits until it listens.
func (m *meter) start(ctx context.Context, name string) (*running, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
	if err := ln.Close(); err != nil {
		return nil, err
	}
	r := &running{server: servers[name], addr: "127.0.0.1:" + port}
	command := r.command(m.settings, port)
	if r.Process, err = proc.Start(command[0], command[1:], nil); err != nil {
		return nil, err
	}
	err = r.Wait(ctx, "the server to listen", proc.Patience, func() (bool, error) {
		c, err := net.DialTimeout("tcp", r.addr, time.Second)
		if err != nil {
			return false, nil
		}
		return true, c.Close()
	})
	if err != nil {
		r.Stop()
		return nil, err
	}
	return r, nil
}

// descriptors is how many files a process has open; it grows by one with each
// connection.
func descriptors(pid int) (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(entries), err
}
