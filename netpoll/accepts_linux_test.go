package netpoll

import (
	"strings"
	"sync"
	"testing"
)

// TestAcceptsBesideTraffic has clients connect to a loop that others keep busy: it
// lets in several in each round of epoll.
func TestAcceptsBesideTraffic(t *testing.T) {
	const callers = 256
	h := newTestHandler()
	r := startReactor(t, Options{Loops: 1}, h)
	busy := []*rawClient{upgraded(t, r.Port()), upgraded(t, r.Port())}
	held, release, all := make(chan struct{}), make(chan struct{}), make(chan struct{})
	// A round serves either client once, so it begins when the turn is the first one's.
	var last *Conn
	turns, rounds := 0, 0
	h.onMessage(func(c *Conn, payload []byte) bool {
		switch {
		case string(payload) == "hold":
			close(held)
			<-release
		case rounds > 0: // they are counted
		case c != last:
			last = c
			turns++
			fallthrough
		default:
			if r.Conns() == len(busy)+callers {
				rounds = max(1, turns/len(busy))
				close(all)
			}
		}
		return true
	})
	busy[0].write(text("hold"))
	<-held
	for range callers {
		connect(t, r.Port(), 0)
	}
	var writers sync.WaitGroup
	much := []byte(strings.Repeat(text("on"), 32<<10))
	for _, c := range busy {
		c.write(string(much)) // while the loop is held up, so that it finds work at once
		writers.Go(func() {
			for {
				if _, err := c.nc.Write(much); err != nil {
					return
				}
			}
		})
	}
	close(release)
	<-all
	for _, c := range busy {
		_ = c.nc.Close()
	}
	writers.Wait()
	// The kernel does not give every listener the same number of them: beside 32 on
	// average, 60 are rare. For each that waits the clients are served up to twice, by
	// gnet and by the loop itself.
	if rounds > callers/2 {
		t.Errorf("%d rounds to let in %d", rounds, callers)
	}
}
