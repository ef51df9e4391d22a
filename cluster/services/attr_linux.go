package services

import "syscall"

// childAttr puts a child into a group of its own, so that Ctrl-C at a terminal does
// not reach it, and ends it with the thread that forks it.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
