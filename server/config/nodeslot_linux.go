package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// takeSlot reserves id among the processes of this network namespace, or tells that it is taken. An abstract Unix socket
// is the reservation: it needs no directory that all processes may write to, follows the rules by which ports are
// shared (containers in one namespace see each other's), and the kernel drops it when the process ends.
func takeSlot(id string) (release func(), taken bool, err error) {
	name := fmt.Sprintf("@carillon-node-%x", sha256.Sum256([]byte(id)))
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: name})
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, true, nil
	case err != nil:
		return nil, false, err
	}
	// A name that anyone can send to must not collect what they send.
	if err := conn.SetReadBuffer(1); err != nil {
		_ = conn.Close()
		return nil, false, err
	}
	return func() { _ = conn.Close() }, false, nil
}
