package netpoll

import "golang.org/x/sys/unix"

func replaceFD(from, to int) error { return unix.Dup3(from, to, unix.O_CLOEXEC) }
