package crowd

import (
	"bufio"
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
		f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if rest, ok := strings.CutPrefix(lines.Text(), "RssAnon:"); ok {
				kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
				n += kb << 10
			}
		}
	})
	return n
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
