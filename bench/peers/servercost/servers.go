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
	"strings"
	"time"

	"carillon/bench/peers/internal/proc"
	"carillon/bench/peers/internal/wire"
)

// server is how to start a server, and what differs for those who load it.
type server struct {
	pkg     string // of this module; "": not built here
	peer    bool   // of another project: it is measured to compare with
	command func(s *settings, host, port string) []string

	// Of a protocol of its own.
	message, expect, delivery string   // a heartbeat and its answer, what a broadcast becomes
	ignore                    string   // messages that begin so were not asked for
	joins                     bool     // what comes may be more than the text of one broadcast
	not                       []string // steps that it has no equal of, or does no other way than the baseline
}

// The servers that others are compared with.
const (
	baseline  = "c"
	sharedLog = "c-log" // as c, but for broadcasts
	twice     = "c-2"   // as c, two processes on one port
)

// Of the gateway.
const (
	ours    = "carillon"
	oneLoop = "carillon-1" // with one event loop instead of one a core
	gathers = "carillon-g" // with loops that let heartbeats come together for gatherFor

	gatherFor = "100ms"
)

// memberPath is what is connected to, with the number of a connection for its end.
const memberPath = "/ws?token=u{{.ID}}"

// mostUsers is how many tokens the gateway knows: no process has more
// descriptors.
const mostUsers = 20_000

// configure writes the configuration of the gateway: as it is by default, but for
// a token and a user for each connection, as the other servers take them.
func (s *settings) configure(dir string) error {
	var b strings.Builder
	b.WriteString("auth:\n  mode: static\n  tokens:\n")
	for i := range mostUsers {
		fmt.Fprintf(&b, "    u%d: user-%[1]d\n", i)
	}
	s.config = filepath.Join(dir, "carillon.yml")
	return os.WriteFile(s.config, []byte(b.String()), 0o600)
}

var servers = map[string]server{
	baseline: {command: func(s *settings, host, port string) []string {
		return []string{filepath.Join(s.peers, "bin/cserver"), "--address", host, "--port", port}
	}},
	sharedLog: fanout("log"),
	"c-uring": fanout("uring"),
	twice: {
		command: func(s *settings, _, port string) []string {
			return []string{filepath.Join(s.peers, "bin/cserver"), "--processes", "2", "--port", port}
		},
		not: allBut(heartbeat, sparse),
	},
	ours: {command: gateway},
	oneLoop: {
		command: func(s *settings, host, port string) []string {
			return append(gateway(s, host, port), "--server.event-loops=1")
		},
		not: allBut(heartbeat, sparse, flood, steady),
	},
	gathers: {
		command: func(s *settings, host, port string) []string {
			return append(gateway(s, host, port), "--server.gather="+gatherFor)
		},
		not: allBut(sparse, idle, wired),
	},
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
		sv.joins = true
		sv.not = []string{burst}
		return sv
	}(),
	"nchan": {
		peer: true,
		command: func(s *settings, _, port string) []string {
			return []string{filepath.Join(s.peers, "nchan/server.sh"), "--port", port}
		},
		message: `{"type":"HEARTBEAT_ACK"}`, expect: `{"type":"HEARTBEAT_ACK"}`, // it comes back
		delivery: "*", // the text with the JSON that is around it
		joins:    true,
		not:      []string{burst},
	},
	"ws": {peer: true, command: func(s *settings, _, port string) []string {
		return []string{"node", filepath.Join(s.peers, "node/server.js"), "--port", port}
	}},
	"socketify": {peer: true, command: func(s *settings, _, port string) []string {
		return []string{filepath.Join(s.peers, "socketify/.venv/bin/python"), filepath.Join(s.peers, "socketify/server.py"), "--port", port}
	}},
}

// serverNames has those first that are measured in all rounds.
func serverNames() []string {
	names := slices.Sorted(maps.Keys(servers))
	slices.SortStableFunc(names, func(a, b string) int {
		switch x, y := servers[a].peer, servers[b].peer; {
		case !x && y:
			return -1
		case x && !y:
			return 1
		}
		return 0
	})
	return names
}

// allBut has the steps that a server is not measured at.
func allBut(steps ...string) []string {
	return slices.DeleteFunc(slices.Clone(allSteps), func(s string) bool { return slices.Contains(steps, s) })
}

func gateway(s *settings, host, port string) []string {
	return []string{s.carillon, "serve", "--config", s.config, "--server.address=" + host, "--server.port=" + port}
}

// fanout is the C server with another way to broadcast.
func fanout(how string) server {
	return server{
		command: func(s *settings, _, port string) []string {
			return []string{filepath.Join(s.peers, "bin/cserver"), "--fanout", how, "--port", port}
		},
		not: allBut(broadcast, burst, flood, steady),
	}
}

func ofGo(pkg string) server {
	return server{pkg: pkg, peer: true, command: func(s *settings, _, port string) []string {
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
	wire *wire.Wire // that its clients are at the far end of, or nil
}

// url is what a load connects to: each connection has a user of its own.
func (r *running) url() string { return "ws://" + r.addr + memberPath }

// start starts a server, which listens on loopback if it takes no host, and waits
// until it does.
func (m *meter) start(ctx context.Context, name, host string) (*running, error) {
	port, err := proc.FreePort(host)
	if err != nil {
		return nil, err
	}
	r := &running{server: servers[name], addr: net.JoinHostPort(host, port)}
	command := r.command(m.settings, host, port)
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
