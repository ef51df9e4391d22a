package netpoll

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"carillon/codec"
)

// shmCounter maps the counter in which a reader process counts bytes.
func shmCounter(path string) (*atomic.Uint64, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return (*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(b))), nil
}

// childFan is the command "fan broadcasts window payload clients": that many
// broadcasts, at most window of them not yet with all clients of the reader. The
// time ends when it has the last byte.
func childFan(r *Reactor, shm string, args []string) (time.Duration, error) {
	var n [4]int
	for i := range n {
		var err error
		if n[i], err = strconv.Atoi(args[i]); err != nil {
			return 0, err
		}
	}
	counter, err := shmCounter(shm)
	if err != nil {
		return 0, err
	}
	f := codec.NewTextString(strings.Repeat("x", n[2]))
	lap := uint64(n[3] * len(f.Plain()))
	base := counter.Load()
	start := time.Now()
	// Looking often would cost the loop some per cent of its core, which the C
	// program, that looks when it has nothing else to do, does not pay: so sleep
	// for most of the time that the rest will take at the rate so far.
	wait := func(sent int) error {
		for sent > 0 {
			have, want := counter.Load()-base, uint64(sent)*lap
			if have >= want {
				break
			}
			passed := time.Since(start)
			if passed > time.Minute {
				return fmt.Errorf("fan-out stands still at %d of %d bytes", have, want)
			}
			rest := time.Duration(0)
			if have > lap/2 {
				rest = time.Duration(float64(passed) / float64(have) * float64(want-have) * 0.7)
			}
			time.Sleep(max(200*time.Microsecond, min(rest, 20*time.Millisecond)))
		}
		return nil
	}
	for i := range n[0] {
		if err := wait(i - n[1] + 1); err != nil {
			return 0, err
		}
		if err := r.Broadcast(f, nil); err != nil {
			return 0, errors.Join(errors.New("broadcast"), err)
		}
	}
	err = wait(n[0])
	return time.Since(start), err
}
