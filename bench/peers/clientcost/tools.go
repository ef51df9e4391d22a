package main

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// The work.
const (
	broadcast = "broadcast"
	echo      = "echo"
	idle      = "idle"
)

var allWorks = []string{broadcast, echo, idle}

// markSize is the length of what {{.Mark}} stands for in messages of carillon
// bench. Messages of another length than was asked for end the measurement.
const markSize = 55

// job is one run of a tool.
type job struct {
	work  string
	addr  string // host and port of the server
	conns int
	rate  float64
	life  time.Duration // longer than is needed: the run is ended by SIGINT
	out   string        // file for a report
}

// tool is a load generator.
type tool struct {
	binary func(*settings) string // to be there; "" is built
	args   func(*settings, job) []string
	env    []string
	most   int // connections it holds; 0: any
}

var tools = map[string]tool{
	"carillon":  {binary: func(s *settings) string { return s.carillon }, args: carillonArgs},
	"gorilla":   {binary: func(s *settings) string { return s.client }, args: gorillaArgs},
	"k6":        k6Tool("websockets.js", 1),
	"k6-shared": k6Tool("websockets.js", 100),
	"k6-ws":     k6Tool("ws.js", 1),
}

func toolNames() []string { return slices.Sorted(maps.Keys(tools)) }

func carillonArgs(s *settings, j job) []string {
	count := fmt.Sprint(j.conns)
	if j.work == idle {
		return []string{"bench", "connect", "ws://" + j.addr + "/ws?token=u{{.ID}}", "-c", count, "--hold", j.life.String(), "--progress", "quiet", "--json", j.out}
	}
	path := map[string]string{broadcast: "/ws?token=u{{.ID}}", echo: "/echo"}[j.work]
	return []string{
		"bench", j.work, "ws://" + j.addr + path, "-c", count, "--rate", fmt.Sprint(j.rate), "-d", j.life.String(),
		"--message", fmt.Sprintf("{{.Mark}}{{.Pad %d}}", s.Size-markSize), "--progress", "quiet", "--json", j.out,
	}
}

func gorillaArgs(s *settings, j job) []string {
	work, path := j.work, "/ws?token=u{{.ID}}"
	switch j.work {
	case idle:
		work = "connect"
	case echo:
		path = "/echo"
	}
	return []string{
		work, "ws://" + j.addr + path, "-c", fmt.Sprint(j.conns), "--rate", fmt.Sprint(j.rate),
		"-d", j.life.String(), "--size", fmt.Sprint(s.Size),
	}
}

// k6Tool is k6 with a script and so many connections per virtual user.
func k6Tool(script string, perUser int) tool {
	t := tool{
		binary: func(s *settings) string { return s.k6 },
		env:    []string{"K6_AUTO_EXTENSION_RESOLUTION=false"}, // it would ask a service of the vendor
		args: func(s *settings, j job) []string {
			work := j.work
			if work == idle {
				work = "connect"
			}
			users := virtualUsers(j.conns, perUser)
			args := []string{"run", "--no-usage-report", "--quiet", "--no-summary", "--address", ""}
			for _, env := range []string{
				"TARGET=" + j.addr, "WORK=" + work, fmt.Sprint("CONNS=", j.conns), fmt.Sprint("VUS=", users),
				fmt.Sprint("RATE=", max(j.rate, 1)), fmt.Sprint("SECONDS=", j.life.Seconds()), fmt.Sprint("SIZE=", s.Size),
			} {
				args = append(args, "-e", env)
			}
			return append(args, filepath.Join(s.scripts, script))
		},
	}
	if perUser == 1 {
		t.most = 1000 // a virtual user is a JavaScript engine
	}
	return t
}

// virtualUsers returns how many users have perUser connections each, or a few
// more: as many as share them evenly.
func virtualUsers(conns, perUser int) int {
	users := max(1, conns/perUser)
	for conns%users != 0 {
		users--
	}
	return users
}

// build builds what is not given.
func (s *settings) build(ctx context.Context, dir string) error {
	for name, path := range map[string]*string{"gorillaserver": &s.server, "gorillaclient": &s.client} {
		if *path != "" {
			continue
		}
		*path = filepath.Join(dir, name)
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", *path, "carillon/bench/peers/"+name).CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
}
