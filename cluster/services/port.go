package services

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
)

// Host is where every server listens.
const Host = "127.0.0.1"

// Ports are taken from below those that Linux gives to outgoing connections
// (32768 and up): a server that is restarted finds its port free, whatever else
// connects meanwhile.
const firstPort, lastPort = 20000, 32000

// taken are the ports of servers of this process, those that are down included.
var taken = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// takePort finds a port on which nobody listens and keeps it until freePort.
func takePort() (int, error) {
	taken.Lock()
	defer taken.Unlock()
	for range lastPort - firstPort {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if taken.ports[port] {
			continue
		}
		// All addresses: a server on any of them would be in the way.
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		_ = l.Close()
		taken.ports[port] = true
		return port, nil
	}
	return 0, errors.New("no free port")
}

func freePort(ports ...int) {
	taken.Lock()
	defer taken.Unlock()
	for _, port := range ports {
		delete(taken.ports, port)
	}
}

// startTries is how often a server is started on other ports after a collision.
const startTries = 5

// errPortTaken means that another process has taken a port between the look and the
// start.
var errPortTaken = errors.New("the port is taken")

// collided tells whether an error is errPortTaken, or has what Redis and Erlang log
// then.
func collided(err error) bool {
	text := err.Error()
	return errors.Is(err, errPortTaken) || strings.Contains(text, "Address already in use") || strings.Contains(text, "eaddrinuse")
}

// listens returns nil when something takes connections there.
func listens(ctx context.Context, addr string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return c.Close()
}

func address(port int) string { return net.JoinHostPort(Host, strconv.Itoa(port)) }
