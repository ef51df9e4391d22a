package watch

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
)

// How connections are spread over processes and addresses.
const (
	// reservedFiles are the descriptors of a worker that are not connections:
	// listeners, pollers, logs, publishes through HTTP.
	reservedFiles = 256

	// maxPerWorker keeps the heap of one process, and with it its garbage
	// collections, small.
	maxPerWorker = 18_000

	// maxPerSource is the most connections from one source address to one
	// target, whatever the range of ports.
	maxPerSource = 25_000

	// easyPerSource is what a source address takes without effort. The kernel looks
	// for a free port by trying; when a good part of the range is taken, a connect
	// costs milliseconds (the ramp of 100,000 connections from four addresses took 80 s
	// instead of 11). Loopback addresses are free, so there are as many as that asks for.
	easyPerSource = 6_000
)

// ErrPlacement is wrapped by what PlanWorkers returns.
var ErrPlacement = errors.New("connections can not be placed")

// PlanWorkers says with how many processes and from which source addresses the
// connections can be made on this machine. No addresses means that the system
// chooses, which suffices for about 25,000 connections to one target. Targets
// in 127.0.0.0/8 get sources from 127.0.0.2 upward, one for every 6,000
// connections; other targets only those of the need. Any goroutine.
func PlanWorkers(need Need) (workers int, sources []netip.Addr, err error) {
	c := root("").capacity()
	return c.plan(&need)
}

func (c *capacity) plan(need *Need) (workers int, sources []netip.Addr, err error) {
	workers, err = c.workers(need)
	if err != nil {
		return 0, nil, err
	}
	sources, err = c.sources(need)
	if err != nil {
		return 0, nil, err
	}
	return workers, sources, nil
}

// workers decides on the number of processes by the limit on descriptors.
func (c *capacity) workers(need *Need) (int, error) {
	room := c.perProcess() - reservedFiles
	if room <= 0 {
		return 0, fmt.Errorf("%w: a process may open %d files, and %d are needed beside connections", ErrPlacement, c.perProcess(), reservedFiles)
	}
	if w := int64(need.Workers); w > 0 {
		if each := ceilDiv(int64(need.Connections), w); each > room {
			return 0, fmt.Errorf("%w: %d connections on %d workers are %d each, and the limit of %d open files leaves room for %d; %d workers suffice",
				ErrPlacement, need.Connections, w, each, c.perProcess(), room, ceilDiv(int64(need.Connections), room))
		}
		return need.Workers, nil
	}
	return int(max(1, ceilDiv(int64(need.Connections), min(room, maxPerWorker)))), nil
}

// sourcesWanted is how many source addresses the connections need.
func (c *capacity) sourcesWanted(need *Need) int64 {
	ports := int64(need.Connections) + c.waiting(need.Churn, need.loopback())
	perTarget := ceilDiv(ports, int64(max(1, len(need.Targets))))
	return max(1, ceilDiv(perTarget, max(1, c.perSource())))
}

// sourcesEasy is how many source addresses make connecting cheap.
func (c *capacity) sourcesEasy(need *Need) int64 {
	ports := int64(need.Connections) + c.waiting(need.Churn, need.loopback())
	return ceilDiv(ceilDiv(ports, int64(max(1, len(need.Targets)))), min(easyPerSource, max(1, c.perSource())))
}

// sources chooses the source addresses.
func (c *capacity) sources(need *Need) ([]netip.Addr, error) {
	want := c.sourcesWanted(need)
	switch {
	case len(need.Sources) > 0 && int64(len(need.Sources)) < want:
		return nil, fmt.Errorf("%w: %d connections need %d source addresses at %d ports each, and %d are given",
			ErrPlacement, need.Connections, want, c.perSource(), len(need.Sources))
	case len(need.Sources) > 0:
		return need.Sources, nil
	case need.loopback4() && runtime.GOOS == "linux":
		if want = max(want, c.sourcesEasy(need)); want == 1 {
			return nil, nil
		}
	case want == 1:
		return nil, nil
	default:
		return nil, fmt.Errorf("%w: %d connections need %d source addresses at %d ports each, and none are given",
			ErrPlacement, need.Connections, want, c.perSource())
	}
	if want > loopbackSources {
		return nil, fmt.Errorf("%w: %d connections need %d source addresses, and the loopback network has %d",
			ErrPlacement, need.Connections, want, loopbackSources)
	}
	sources := make([]netip.Addr, 0, want)
	for a := netip.AddrFrom4([4]byte{127, 0, 0, 2}); int64(len(sources)) < want; a = a.Next() {
		sources = append(sources, a)
	}
	return sources, nil
}

// loopbackSources is how many addresses 127.0.0.2 to 127.255.255.254 are.
const loopbackSources = 1<<24 - 3

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }
