package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"carillon/bench/peers/internal/figures"
	"carillon/bench/peers/internal/page"
)

type noted struct {
	mu sync.Mutex
	b  bytes.Buffer
	on func(string)
}

func (n *noted) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.b.Write(p)
	n.on(n.b.String())
	return len(p), nil
}

// TestInterrupted leaves the page as it was.
func TestInterrupted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	part := func(name string) string { return page.Begin(name) + "\nold " + name + "\n\n" + page.End }
	text := part("machine") + part("summary") + part("servercost connect") + part("servercost storm")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	peers, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	log := &noted{}
	log.on = func(s string) {
		if strings.Contains(s, "round 1 of 3: c connect") {
			cancel()
		}
	}
	err = run(ctx, []string{
		"--carillon", "/bin/sh", "--peers", peers, "--servers", "c", "--steps", "connect,storm", "--rounds", "3", "--window", "300ms", "--markdown", file,
	}, &out, log)
	if err == nil {
		t.Error("no error")
	}
	if after, _ := os.ReadFile(file); string(after) != text {
		t.Errorf("the page was changed:\n%s", after)
	}
}

// TestOverRounds pairs figures of the same round.
func TestOverRounds(t *testing.T) {
	s := func(first int, v ...float64) map[string]figures.Spread {
		f := figures.SpreadOf(v, nil)
		f.Rounds = []int{first, first + 1}
		return map[string]figures.Spread{"cpu_seconds_per_million": f}
	}
	// In round 1 everything took 10, in round 2 20, in round 3 40, of both servers alike; c was not measured
	// in round 1, carillon-1 not in round 3.
	m := measured{rows: []figures.Row{
		{Step: "sparse", Server: oneLoop, Figures: s(1, 10, 20)},
		{Step: "sparse", Server: "c", Figures: s(2, 20, 40)},
	}}
	r, there := over("sparse", oneLoop, "c")(m)
	if !there || r.figure != 1 {
		t.Errorf("%v, %v of two servers that cost the same in every round", r.figure, there)
	}
}
