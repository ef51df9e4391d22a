//go:build !linux

package services

import "syscall"

// childAttr puts a child into a group of its own, so that Ctrl-C at a terminal does
// not reach it.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
