package services

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestOwnerKilled kills a process that has started servers: they end too, and the
// next owner removes their files.
func TestOwnerKilled(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "owner") // t.TempDir would be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), ownerVariable+"=1", "TMPDIR="+dir)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, readErr := bufio.NewReader(out).ReadString('\n')
	names := strings.Join(processesIn(t, dir), " ")
	sweep(dir, 0) // must leave alone what is in use
	kept, _ := os.ReadDir(dir)

	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	if readErr != nil {
		t.Fatalf("the owner has started nothing: %v", readErr)
	}
	for _, want := range []string{"redis-server", "beam.smp", "epmd"} {
		if !strings.Contains(names, want) {
			t.Errorf("no %s among the processes %s", want, names)
		}
	}
	if len(kept) != 2 {
		t.Errorf("%d directories while in use, want 2", len(kept))
	}

	var redisDir, rabbitDir string
	var ports [3]int
	if _, err := fmt.Sscan(line, &redisDir, &rabbitDir, &ports[0], &ports[1], &ports[2]); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	waitFor(t, "the servers have ended", func() string { return strings.Join(processesIn(t, dir), " ") })
	sweep(dir, workspaceGrace)
	if _, err := os.Lstat(redisDir); err != nil {
		t.Errorf("a young directory was removed: %v", err)
	}
	sweep(dir, 0)
	wantNothingLeft(t, redisDir, ports[0])
	wantNothingLeft(t, rabbitDir, ports[1:]...)
}
