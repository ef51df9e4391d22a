package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTerminalGoes has SIGHUP leave no server behind.
func TestTerminalGoes(t *testing.T) {
	tool := filepath.Join(t.TempDir(), "servercost")
	if out, err := exec.Command("go", "build", "-o", tool, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	started := filepath.Join(t.TempDir(), "started")
	cmd := exec.Command(tool, slices.Concat(small, []string{"--servers", "c", "--steps", sparse, "--carillon", script(t, "touch "+started+"; exec sleep 60")})...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(started); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the load was not started")
		}
	}
	var children []int
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/task/*/children")
	for _, path := range tasks {
		text, _ := os.ReadFile(path)
		for _, f := range strings.Fields(string(text)) {
			pid, _ := strconv.Atoi(f)
			children = append(children, pid)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || len(children) < 2 {
		t.Errorf("ended with %v, children were %v:\n%s", err, children, &out)
	}
	for _, pid := range children {
		if line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline"); err == nil && len(line) > 0 {
			t.Errorf("left behind: %d %q", pid, line)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
