// Package crowdtest makes the program that tests of crowds run.
package crowdtest

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Build makes the program, for a test, and returns its path.
func Build(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "carillon")
	if out, err := exec.Command("go", "build", "-o", path, "carillon/cmd/carillon").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}
