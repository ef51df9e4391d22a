package proc

import (
	"fmt"
	"os/exec"
)

// Namespaces returns why a program cannot have mounts and processes of its own here, as nginx with
// nchan wants them, or nil.
func Namespaces() error {
	if out, err := exec.Command("unshare", "--mount", "--pid", "--fork", "true").CombinedOutput(); err != nil {
		return fmt.Errorf("no namespaces of its own: %w: %s", err, out)
	}
	return nil
}
