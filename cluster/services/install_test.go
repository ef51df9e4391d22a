package services

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestInstall runs the real script with an apt-get that writes down what it is
// asked for, and makes the program.
func TestInstall(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	t.Setenv("TMPDIR", dir)
	t.Setenv("POLICY_RC_D", filepath.Join(dir, "policy"))
	t.Setenv("BELFRY", dir)
	program := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, tool := range []string{"sh", "rm", "chmod", "sleep"} {
		if err := os.Symlink(filepath.Join("/bin", tool), filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	if err := install(ctx, "belfry"); err == nil || !strings.Contains(err.Error(), "belfry is missing") {
		t.Errorf("without apt-get: %v", err)
	}

	program("sudo", `shift; exec "$@"`)
	program("apt-get", `echo no such package >&2; exit 100`)
	if err := install(ctx, "belfry"); err == nil || !strings.Contains(err.Error(), "no such package") {
		t.Errorf("with an apt-get that fails: %v", err)
	}

	program("apt-get", `exit 0`)
	if err := install(ctx, "belfry"); err == nil || !strings.Contains(err.Error(), "still found no belfry") {
		t.Errorf("with an apt-get that does nothing: %v", err)
	}

	program("apt-get", `
		[ -x "$POLICY_RC_D" ] && "$POLICY_RC_D" || echo "policy $?" >>"$BELFRY/calls"
		echo "$*" >>"$BELFRY/calls"
		case "$*" in *install*) sleep 0.1; printf '#!/bin/sh\n' >"$BELFRY/belfry"; chmod 755 "$BELFRY/belfry";; esac`)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := install(ctx, "sh", "belfry"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(calls), "install -y --no-install-recommends belfry\n"); n != 1 {
		t.Errorf("installed %d times:\n%s", n, calls)
	}
	if !strings.Contains(string(calls), "policy 101\n") {
		t.Errorf("servers would have been started:\n%s", calls)
	}
	if _, err := os.Stat(filepath.Join(dir, "policy")); !os.IsNotExist(err) {
		t.Errorf("the policy is left: %v", err)
	}
}

func TestInstallWaitsForOthers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "lock")
	lock, err := tryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := waitLock(ctx, path); err != context.Canceled {
		t.Errorf("got %v", err)
	}
	_ = lock.Close()
	if lock, err = waitLock(ctx, path); err != nil {
		t.Fatal(err)
	}
	_ = lock.Close()
	if _, err := waitLock(ctx, filepath.Join(dir, "none", "lock")); !os.IsNotExist(err) {
		t.Errorf("got %v", err)
	}
}

func TestInstalled(t *testing.T) {
	if err := Install(t.Context()); err != nil {
		t.Fatal(err)
	}
}
