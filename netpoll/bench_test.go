package netpoll

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"carillon/codec"
)

// BenchmarkHeartbeat is one round trip over loopback, one at a time; the client
// is a goroutine of the same process.
func BenchmarkHeartbeat(b *testing.B) {
	r := startReactor(b, Options{Loops: 1}, newTestHandler())
	c := upgraded(b, r.Port())
	request := []byte(text(codec.HeartbeatRequest))
	answer := make([]byte, len(codec.HeartbeatAck))
	_ = c.nc.SetDeadline(time.Time{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.nc.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c.nc, answer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPushOne pushes to one connection from 8 goroutines; the time ends
// when the client has all of it. wakes/op tells how many pushes share a wake-up,
// retries/op how often the queue was full.
func BenchmarkPushOne(b *testing.B) {
	h := newTestHandler()
	r := startReactor(b, Options{Loops: 1, MaxOutbound: 1 << 30}, h)
	c := upgraded(b, r.Port())
	waitFor(b, "the connection", func() bool { return len(h.all()) == 1 })
	hd := h.all()[0]
	f := codec.NewTextString(strings.Repeat("x", 128))
	_ = c.nc.SetDeadline(time.Time{})
	s := (*r.shards.Load())[0]
	rings := func() uint64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.rings
	}
	before := rings()
	done := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.Discard, c.nc, int64(b.N*len(f.Plain())))
		done <- err
	}()
	var next, retries atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range 8 {
		wg.Go(func() {
			for next.Add(1) <= int64(b.N) {
				for errors.Is(r.Send(hd, f, nil), ErrQueueFull) {
					retries.Add(1)
					runtime.Gosched()
				}
			}
		})
	}
	wg.Wait()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(rings()-before)/float64(b.N), "wakes/op")
	b.ReportMetric(float64(retries.Load())/float64(b.N), "retries/op")
}

// BenchmarkIdleMemory opens 2,000 and then 15,000 connections to a server process
// and reports what each of those in between costs: live Go heap and resident
// memory. netpoll_B is what this package keeps for one by its own count, without
// the slack of growing slices; the rest of the heap is gnet's.
func BenchmarkIdleMemory(b *testing.B) {
	bin := cProgram(b)
	for b.Loop() {
		const low, high = 2000, 15000
		shm := filepath.Join(b.TempDir(), "shm")
		if err := os.WriteFile(shm, make([]byte, 4096), 0o600); err != nil {
			b.Fatal(err)
		}
		srv := startChild(b, childOptions{Loops: 2, HeartbeatTimeout: time.Hour}, 0, "GOGC=50", "GOMAXPROCS=4")
		open := func(n, add int) childStat {
			startReader(b, bin, srv.port, add, 1, shm)
			for srv.do("stat").Open != n {
				time.Sleep(10 * time.Millisecond)
			}
			return srv.do("stat")
		}
		a := open(low, low)
		settled := open(high, high-low)
		collected := srv.do("gc")
		per := func(x, y int64) float64 { return float64(x-y) / float64(high-low) }
		b.ReportMetric(per(settled.RSS, a.RSS), "rss_B/conn")
		b.ReportMetric(float64(collected.Heap)/high, "heap_B/conn")
		ours := unsafe.Sizeof(Conn{}) + unsafe.Sizeof((*Conn)(nil)) + 4 + unsafe.Sizeof(hotSlot{}) + unsafe.Sizeof(wheelLink{}) + 4
		b.ReportMetric(float64(ours), "netpoll_B/conn")
		b.ReportMetric(float64(collected.Heap)/high-float64(ours), "gnet_B/conn")
	}
}
