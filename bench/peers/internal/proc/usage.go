package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Tick is the unit of times in /proc/*/stat: USER_HZ is 100 on every Linux that Go runs on.
const Tick = 10 * time.Millisecond

// Usage is what a process and its descendants use.
type Usage struct {
	CPU      time.Duration // with what descendants that have ended used, which is in ticks
	Memory   int64         // bytes, shared pages divided by their users
	Resident int64         // bytes, shared pages in full
}

// UsageOf reads what the tree of processes below pid uses now.
func UsageOf(pid int) (u Usage, err error) {
	members, err := tree(pid)
	if err != nil {
		return u, err
	}
	for id, ended := range members {
		cpu, err := CPUOf(id)
		if err != nil && id == pid {
			return u, err
		}
		pss, rss, err := memoryOf(id)
		if err != nil && id == pid {
			return u, err
		}
		u.CPU += ended + cpu
		u.Memory += pss
		u.Resident += rss
	}
	return u, nil
}

// Descriptors is how many descriptors are open in the tree of processes below pid.
func Descriptors(pid int) (open int, err error) {
	members, err := tree(pid)
	if err != nil {
		return 0, err
	}
	for id := range members {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", id))
		if err != nil && id == pid {
			return 0, err
		}
		open += len(entries)
	}
	return open, nil
}

// tree has pid and its descendants, each with the CPU time of its children that have ended.
func tree(pid int) (members map[int]time.Duration, err error) {
	parents := map[int]int{}
	members = map[int]time.Duration{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
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
		parent, ended, err := parseStat(b)
		if err != nil {
			return nil, fmt.Errorf("/proc/%d/stat: %w", id, err)
		}
		parents[id], members[id] = parent, ended
	}
	if _, there := parents[pid]; !there {
		return nil, fmt.Errorf("process %d has ended", pid)
	}
	for id := range parents {
		if !below(parents, id, pid) {
			delete(members, id)
		}
	}
	return members, nil
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

// parseStat returns the parent of a process and the times of its children that
// have ended. The name, in parentheses, may hold anything (proc(5)).
func parseStat(b []byte) (parent int, ended time.Duration, err error) {
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 15 {
		return 0, 0, fmt.Errorf("%d fields after the name, want 15 at least", len(fields))
	}
	if parent, err = strconv.Atoi(string(fields[1])); err != nil {
		return 0, 0, err
	}
	for _, f := range fields[13:15] { // cutime, cstime
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, 0, err
		}
		ended += time.Duration(n) * Tick
	}
	return parent, ended, nil
}

// CPUOf returns the user and system time of a process alone by its clock, which
// counts ns (clock_getcpuclockid(3)).
func CPUOf(pid int) (time.Duration, error) {
	const scheduled = 2 // CPUCLOCK_SCHED
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|scheduled, &t); err != nil {
		return 0, fmt.Errorf("clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// memoryOf returns the proportional and the full set size of a process in bytes.
func memoryOf(pid int) (pss, rss int64, err error) {
	sizes, err := sizesIn(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss", "Rss")
	if err != nil {
		return 0, 0, err
	}
	return sizes[0], sizes[1], nil
}

// sizesIn reads lines of the form "Name: 12 kB" from a file and returns bytes.
func sizesIn(file string, names ...string) ([]int64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	found := map[string]int64{}
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		if len(f) != 3 || string(f[2]) != "kB" {
			continue
		}
		kb, err := strconv.ParseInt(string(f[1]), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		found[string(bytes.TrimSuffix(f[0], []byte(":")))] = kb << 10
	}
	sizes := make([]int64, len(names))
	for i, name := range names {
		size, there := found[name]
		if !there {
			return nil, fmt.Errorf("%s has no %s", file, name)
		}
		sizes[i] = size
	}
	return sizes, nil
}
