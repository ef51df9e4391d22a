package proc

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
)

// Ports for servers lie below those that the kernel gives to whoever asks for any
// (ip_local_port_range of Linux begins at 32768): nobody else takes one between
// finding it free and listening on it.
const (
	firstPort = 12_000
	ports     = 20_000
)

var lastPort atomic.Uint32

func init() { lastPort.Store(rand.Uint32N(ports)) }

// FreePort returns a port of a host that nobody listens on, each time another one.
func FreePort(host string) (string, error) {
	var err error
	for range 100 {
		port := strconv.Itoa(firstPort + int(lastPort.Add(1)%ports))
		var ln net.Listener
		if ln, err = net.Listen("tcp", net.JoinHostPort(host, port)); err == nil {
			return port, ln.Close()
		}
	}
	return "", fmt.Errorf("no port is free: %w", err)
}
