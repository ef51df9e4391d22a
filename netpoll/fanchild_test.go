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

// shared is what a reader process shares with who sends, as in fanout.c.
type shared struct {
	count, wanted atomic.Uint64
	turn          atomic.Uint32
}

func mapShared(path string) (*shared, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return (*shared)(unsafe.Pointer(unsafe.SliceData(b))), nil
}

// wait returns when the clients have read so many bytes. One goroutine.
func (s *shared) wait(bytes uint64) error {
	const patience = time.Minute
	for {
		turn := s.turn.Load()
		s.wanted.Store(bytes)
		have := s.count.Load()
		if have >= bytes {
			return nil
		}
		if !sleepOn(&s.turn, turn, patience) {
			return fmt.Errorf("fan-out stands still at %d of %d bytes", have, bytes)
		}
	}
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
	clientBytes, err := mapShared(shm)
	if err != nil {
		return 0, 0, err
	}
	f := codec.NewTextString(strings.Repeat("x", n[2]))
	lap := uint64(clients * len(f.Plain()))
	base := clientBytes.count.Load()
	start := time.Now()
	for i := range broadcasts {
		time.Sleep(time.Until(start.Add(time.Duration(i) * every)))
		if sent := i - window + 1; sent > 0 {
			if err := clientBytes.wait(base + uint64(sent)*lap); err != nil {
				return 0, 0, err
			}
		}
		if err := r.Broadcast(f, nil); err != nil {
			return 0, 0, errors.Join(errors.New("broadcast"), err)
		}
	}
	err = clientBytes.wait(base + uint64(broadcasts)*lap)
	return broadcasts * clients, time.Since(start), err
}
