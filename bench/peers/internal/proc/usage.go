package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Tick is the unit of times in /proc/*/stat: USER_HZ is 100 on every Linux that Go runs on.
const Tick = 10 * time.Millisecond

// Usage is what a process and its descendants use.
type Usage struct {
	CPU    time.Duration // with what descendants that have ended used
	Memory int64         // bytes, shared pages divided by their users
}

// UsageOf reads what the tree of processes below pid uses now.
func UsageOf(pid int) (u Usage, err error) {
	parents := map[int]int{}
	times := map[int]time.Duration{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return u, err
	}
	for _, e := range entries {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		parent, cpu, err := parseStat(b)
		if err != nil {
			return u, fmt.Errorf("/proc/%d/stat: %w", id, err)
		}
		parents[id], times[id] = parent, cpu
	}
	if _, there := parents[pid]; !there {
		return u, fmt.Errorf("process %d has ended", pid)
	}
	for id := range parents {
		if !below(parents, id, pid) {
			continue
		}
		u.CPU += times[id]
		pss, err := pssOf(id)
		if err != nil && id == pid {
			return u, err
		}
		u.Memory += pss
	}
	return u, nil
}

// below reports whether id is pid or descends from it.
func below(parents map[int]int, id, pid int) bool {
	for range len(parents) { // what was read at different moments may even go round
		if id == pid {
			return true
		}
		next, there := parents[id]
		if !there {
			return false
		}
		id = next
	}
	return false
}

// parseStat returns the parent and the times of a process, its ended children's
// included. The name, in parentheses, may hold anything (proc(5)).
func parseStat(b []byte) (parent int, cpu time.Duration, err error) {
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 15 {
		return 0, 0, fmt.Errorf("%d fields after the name, want 15 at least", len(fields))
	}
	if parent, err = strconv.Atoi(string(fields[1])); err != nil {
		return 0, 0, err
	}
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, 0, err
		}
		cpu += time.Duration(n) * Tick
	}
	return parent, cpu, nil
}

// pssOf returns the proportional set size of a process in bytes.
func pssOf(pid int) (int64, error) {
	name := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	b, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b) {
		if f := bytes.Fields(line); len(f) == 3 && string(f[0]) == "Pss:" {
			kb, err := strconv.ParseInt(string(f[1]), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no Pss", name)
}
