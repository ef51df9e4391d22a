package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"carillon/cluster/services/crowd"
	"carillon/cluster/services/crowd/crowdtest"
)

// gateway is the child of this process that serves.
func gateway(t *testing.T) int {
	t.Helper()
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, path := range tasks {
		text, _ := os.ReadFile(path)
		for _, field := range strings.Fields(string(text)) {
			line, _ := os.ReadFile("/proc/" + field + "/cmdline")
			if strings.Contains(string(line), "\x00serve\x00") {
				pid, _ := strconv.Atoi(field)
				return pid
			}
		}
	}
	t.Fatal("no gateway")
	return 0
}

// TestGatewayDies has a gateway end with the load: that its users never leave is said.
func TestGatewayDies(t *testing.T) {
	defer func(d time.Duration) { leaving = d }(leaving)
	leaving = 2 * time.Second
	o := options{carillon: crowdtest.Build(t)}
	c, err := crowd.Alone(o.carillon)
	if err != nil {
		t.Fatal(err)
	}
	pid := gateway(t)
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), "carillon-crowd-*"))
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
	defer cancel()
	load := crowd.Load{Kind: "heartbeat", Connections: 50, Rate: 500, Flags: []string{"-r", "100", "-d", "2s", "--warmup", "0s"}}
	over := make(chan struct{})
	_, err = o.attend(ctx, c, load, func(clients *crowd.Clients) error {
		go func() {
			defer close(over)
			for ctx.Err() == nil {
				// The report is the last thing that the load does.
				now, _ := filepath.Glob(filepath.Join(os.TempDir(), "carillon-crowd-*"))
				for _, dir := range now {
					if slices.Contains(dirs, dir) {
						continue
					}
					if text, err := os.ReadFile(filepath.Join(dir, "report.json")); err == nil && strings.HasSuffix(string(text), "}\n") {
						_ = syscall.Kill(pid, syscall.SIGKILL)
						return
					}
				}
				time.Sleep(200 * time.Microsecond)
			}
		}()
		return nil
	})
	_ = c.Stop()
	if err == nil || ctx.Err() != nil {
		t.Errorf("got %v, want an error before the context ends", err)
	}
	cancel()
	<-over
}

// TestWindowPastLoad has everybody known so late that the window goes past the load.
func TestWindowPastLoad(t *testing.T) {
	o := options{carillon: crowdtest.Build(t), heartbeats: 4000, window: 2 * time.Second, margin: time.Second}
	c, err := crowd.Alone(o.carillon)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Stop() }()
	const count = 200
	for _, late := range []time.Duration{0, 2500 * time.Millisecond} {
		load := crowd.Load{Kind: "heartbeat", Connections: count, Rate: 500, Flags: []string{
			"-r", decimal(o.beats(count)), "-d", o.lasts(count), "--warmup", "1s", "--settle", "5s"}}
		_, err := o.attend(t.Context(), c, load, func(clients *crowd.Clients) (err error) {
			_, err = o.busy(t.Context(), c, clients, count, func() error { time.Sleep(late); return nil })
			return err
		})
		if (err != nil) != (late > 0) {
			t.Errorf("presence %v late: got %v", late, err)
		}
	}
}
