package netpoll

import (
	"fmt"
	"runtime"
)

// UringMode says whether broadcasts leave through io_uring, many sends in one
// system call, or by one system call each. The zero value is UringAuto.
type UringMode int

const (
	// UringAuto uses io_uring if the kernel allows it, and logs if it does not.
	UringAuto UringMode = iota
	// UringOn is UringAuto, but that Start fails where io_uring can not be used.
	UringOn
	// UringOff does without.
	UringOff
)

// String returns the name of the mode as in the configuration.
func (m UringMode) String() string {
	switch m {
	case UringAuto:
		return "auto"
	case UringOn:
		return "on"
	case UringOff:
		return "off"
	}
	return fmt.Sprintf("UringMode(%d)", int(m))
}

// openRings makes an io_uring for each loop, or for none.
func (r *Reactor) openRings() error {
	if r.opt.Uring == UringOff {
		return nil
	}
	for range r.opt.Loops {
		ring, err := r.newRing(uringSends)
		if err == nil {
			r.rings = append(r.rings, ring)
			continue
		}
		r.closeRings()
		if r.opt.Uring == UringOn {
			return fmt.Errorf("netpoll: %w", err)
		}
		if runtime.GOOS == "linux" {
			r.opt.Logger.Info("broadcasts do without io_uring", "err", err)
		}
		return nil
	}
	return nil
}

// closeRings frees the rings that no loop has taken.
func (r *Reactor) closeRings() {
	for _, ring := range r.rings {
		ring.close()
	}
	r.rings = nil
}

// takeRing gives a loop its ring, nil if it is to do without.
func (r *Reactor) takeRing() *uring {
	n := len(r.rings)
	if n == 0 {
		return nil
	}
	ring := r.rings[n-1]
	r.rings = r.rings[:n-1]
	return ring
}

// dropRing has the shard go on without its ring.
func (s *Shard) dropRing() {
	if s.uring != nil {
		s.uring.close()
		s.uring = nil
	}
}
