package crowd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// family calls do for a process and its descendants. One that has ended is passed
// over; pid 0 is no process.
func family(pid int, do func(pid int)) {
	if pid == 0 {
		return
	}
	do(pid)
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range tasks {
		text, _ := os.ReadFile(path)
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				family(child, do)
			}
		}
	}
}

// anonymous sums up what a process and its descendants have for themselves, in bytes;
// the program's text is shared.
func anonymous(pid int) (n int64) {
	family(pid, func(pid int) {
		values, _ := kilobytes(fmt.Sprintf("/proc/%d/status", pid))
		n += values["RssAnon"]
	})
	return n
}

// Resident is memory of processes, in bytes.
type Resident struct {
	All   int64 // RSS
	Share int64 // PSS: what is their share where processes have pages in common
	Own   int64 // what is of no file: not the program's code
}

// resident sums up the memory of a process and its descendants.
func resident(pid int) (r Resident, err error) {
	family(pid, func(pid int) {
		values, e := kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		r.All, r.Share, r.Own = r.All+values["Rss"], r.Share+values["Pss"], r.Own+values["Anonymous"]
		err = errors.Join(err, e)
	})
	return r, err
}

// kilobytes reads the lines of a file that end in kB, as bytes.
func kilobytes(path string) (map[string]int64, error) {
	text, err := os.ReadFile(path)
	values := make(map[string]int64)
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[2] == "kB" {
			kb, _ := strconv.ParseInt(fields[1], 10, 64)
			values[strings.TrimSuffix(fields[0], ":")] = kb << 10
		}
	}
	return values, err
}

// cpuTime sums up the processor time of the threads of a process and its descendants.
// A thread that ends meanwhile takes its share along; Go keeps its threads.
func cpuTime(pid int) (d time.Duration) {
	family(pid, func(pid int) {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		for _, path := range tasks {
			text, _ := os.ReadFile(path)
			on, _, _ := strings.Cut(string(text), " ")
			ns, _ := strconv.ParseInt(on, 10, 64)
			d += time.Duration(ns)
		}
	})
	return d
}
