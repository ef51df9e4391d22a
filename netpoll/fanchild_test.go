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

// childFan carries out a command and returns the number of frames and the time
// until the clients of the reader had the last byte.
//
//	fan BROADCASTS WINDOW PAYLOAD CLIENTS   at most WINDOW broadcasts not yet with all clients
//	pace BROADCASTS MS PAYLOAD CLIENTS      a broadcast every MS milliseconds
func childFan(r *Reactor, shm string, cmd []string) (frames int, elapsed time.Duration, err error) {
	var n [4]int
	for i := range n {
		if n[i], err = strconv.Atoi(cmd[1+i]); err != nil {
			return 0, 0, err
		}
	}
	broadcasts, window, clients := n[0], n[1], n[3]
	var every time.Duration
	if cmd[0] == "pace" {
		every, window = time.Duration(window)*time.Millisecond, broadcasts
	}
	counter, err := shmCounter(shm)
	if err != nil {
		return 0, 0, err
	}
	f := codec.NewTextString(strings.Repeat("x", n[2]))
	lap := uint64(clients * len(f.Plain()))
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
	for i := range broadcasts {
		time.Sleep(time.Until(start.Add(time.Duration(i) * every)))
		if err := wait(i - window + 1); err != nil {
			return 0, 0, err
		}
		if err := r.Broadcast(f, nil); err != nil {
			return 0, 0, errors.Join(errors.New("broadcast"), err)
		}
	}
	err = wait(broadcasts)
	return broadcasts * clients, time.Since(start), err
}
