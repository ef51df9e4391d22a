package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// machine says where and how it was measured.
func machine(how string, took time.Duration) string {
	return fmt.Sprintf("%s, %d cores, %s of memory, Linux %s, %s; loopback, clients on the same cores. %s; %v in all, on %s.",
		field("/proc/cpuinfo", "model name"), runtime.NumCPU(), field("/proc/meminfo", "MemTotal"), first("/proc/sys/kernel/osrelease"), runtime.Version(),
		how, took.Round(time.Minute), time.Now().UTC().Format("2006-01-02"))
}

// field returns the value of a line "name : value" of a file, or "unknown".
func field(file, name string) string {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown " + name
}

func first(file string) string {
	b, _ := os.ReadFile(file)
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}
