//go:build unix

package fleet

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps the terminal's Ctrl-C from workers: the coordinator ends them
// when it has their figures.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
