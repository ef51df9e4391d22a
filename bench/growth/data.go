package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"carillon/bench/watch"
)

// Point is what a connection costs when there are so many.
type Point struct {
	Connections int `json:"connections"`
	Gateways    int `json:"gateways"` // processes
	// UserBytes is memory of the gateways in user space, ClientBytes that of the load
	// tester, KernelBytes the kernel's for both ends: slab, socket queues and page tables.
	UserBytes   float64 `json:"user_bytes"`
	ClientBytes float64 `json:"client_bytes"`
	KernelBytes float64 `json:"kernel_bytes"`
	// HeartbeatCPU is the gateways' processor time for a heartbeat, beyond that in
	// silence; IdleCPU is that for a connection in a second of silence, LiveCPU in a second
	// with heartbeats. Microseconds.
	HeartbeatCPU float64 `json:"heartbeat_cpu_us"`
	IdleCPU      float64 `json:"idle_cpu_us_per_s"`
	LiveCPU      float64 `json:"live_cpu_us_per_s"`
	// Broadcast is the time until 99 of 100 connections have a broadcast, FrameCPU the
	// gateways' processor time for it, both for a connection. Microseconds.
	Broadcast float64 `json:"broadcast_us"`
	FrameCPU  float64 `json:"frame_cpu_us"`
}

// Data is what growth.json holds.
type Data struct {
	Machine string  `json:"machine"`
	Points  []Point `json:"points"` // by number of connections
}

// machine says where this runs.
func machine() string {
	e := watch.Environment()
	return fmt.Sprintf("%s, %d cores, Linux %s, %s", e.CPU, e.Cores, e.Kernel, strings.TrimSuffix(e.Go, " linux/amd64"))
}

// read reads what was measured before. Of another machine, or when there is no file,
// that is nothing.
func read(path, machine string) (*Data, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Data{Machine: machine}, nil
	}
	if err != nil {
		return nil, err
	}
	var d Data
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if d.Machine != machine {
		return &Data{Machine: machine}, nil
	}
	return &d, nil
}

// put adds a point, in place of one with as many connections.
func (d *Data) put(p Point) {
	d.Points = slices.DeleteFunc(d.Points, func(q Point) bool { return q.Connections == p.Connections })
	d.Points = append(d.Points, p)
	slices.SortFunc(d.Points, func(a, b Point) int { return a.Connections - b.Connections })
}

// save writes growth.json and growth.svg.
func (d *Data) save(dir string) error {
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "growth.json"), append(text, '\n'), 0o666); err != nil {
		return err
	}
	var b bytes.Buffer
	d.draw(&b)
	return os.WriteFile(filepath.Join(dir, "growth.svg"), b.Bytes(), 0o666)
}

func printHead(w io.Writer) {
	fmt.Fprintf(w, "%11s %8s %9s %9s %9s %12s %10s %10s %12s %10s\n",
		"connections", "gateways", "user B", "client B", "kernel B", "heartbeat us", "idle us/s", "live us/s", "broadcast us", "frame us")
}

func (p Point) print(w io.Writer) {
	fmt.Fprintf(w, "%11d %8d %9.0f %9.0f %9.0f %12.1f %10.2f %10.2f %12.1f %10.1f\n",
		p.Connections, p.Gateways, p.UserBytes, p.ClientBytes, p.KernelBytes, p.HeartbeatCPU, p.IdleCPU, p.LiveCPU, p.Broadcast, p.FrameCPU)
}
