package crowd

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const (
	// pairBytes is what one connection was measured to take of this machine's memory
	// at most: both ends in user space and kernel, and its keys in Redis.
	pairBytes = 12_500
	// baseBytes is for everything that does not grow with the connections.
	baseBytes = 2 << 30
	// spareDescriptors are those of a process that are no connections, and room for
	// the kernel, which does not spread connections over processes evenly.
	spareDescriptors = 1200
)

// Room is what the machine has room for.
type Room struct {
	Memory   int // connections that fit into the memory that is available
	Files    int // connections that fit into fs.file-max
	Gateways int // processes that as many of the wanted number as fit need
}

// Fits returns how many of count connections there is room for.
func (r Room) Fits(count int) int { return min(count, r.Memory, r.Files) }

// Judge tells how many of the wanted connections the machine has room for, and shows
// on w how that comes about.
func Judge(count int, w io.Writer) (r Room, err error) {
	available, err := meminfo("MemAvailable")
	if err != nil {
		return r, err
	}
	r.Memory = int(max(available-baseBytes, 0) / pairBytes)
	files, err := readNumber("/proc/sys/fs/file-max")
	if err != nil {
		return r, err
	}
	r.Files = int(min(files, 1<<40)) * 9 / 20 // two ends, and a tenth for everything else
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return r, err
	}
	each := int(min(limit.Max, 1<<30)) - spareDescriptors
	if each < 100 {
		return r, fmt.Errorf("a process may open only %d files", limit.Max)
	}
	r.Gateways = max(2, (r.Fits(count)+each-1)/each)
	fmt.Fprintf(w, "memory       %.1f GiB available, less %.1f GiB, by %.1f KB a connection: room for %d\n",
		float64(available)/(1<<30), float64(baseBytes)/(1<<30), float64(pairBytes)/1000, r.Memory)
	fmt.Fprintf(w, "descriptors  fs.file-max %d, for two ends each: room for %d\n", files, r.Files)
	fmt.Fprintf(w, "processes    %d files each, %d of them for connections: %d gateways\n", limit.Max, each, r.Gateways)
	return r, nil
}

// meminfo reads a value of /proc/meminfo in bytes.
func meminfo(key string) (int64, error) {
	values, err := kilobytes("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	n, ok := values[key]
	if !ok {
		return 0, fmt.Errorf("/proc/meminfo has no %s", key)
	}
	return n, nil
}

func readNumber(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return int64(min(n, 1<<62)), err
}
