package netpoll

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

const (
	bystanders     = 50
	bystanderEvery = 20 * time.Millisecond
)

// watchers is a process with the bystanders.
type watchers struct {
	b *testing.B
	p *process
}

// startWatchers connects the bystanders. first runs them before every other
// process of the machine, so that their own waits for a core do not count.
func startWatchers(b *testing.B, bin string, port int, first bool) *watchers {
	b.Helper()
	fifo := 0
	if first {
		fifo = 1
	}
	p := start(b, bin, "watcher", strconv.Itoa(port), strconv.Itoa(bystanders), strconv.Itoa(int(bystanderEvery.Milliseconds())), strconv.Itoa(fifo))
	p.scan(b, "ready\n")
	return &watchers{b, p}
}

// beats is what heartbeats took, from when they were due to their reply.
type beats struct {
	count, missed        int
	p50, p99, p999, most time.Duration
}

// during measures heartbeats while f runs.
func (w *watchers) during(f func()) (got beats) {
	w.b.Helper()
	flip := func() {
		if _, err := fmt.Fprintln(w.p.in); err != nil {
			w.b.Fatal(err)
		}
	}
	flip()
	f()
	flip()
	w.p.scan(w.b, "%d %d %d %d %d %d\n", &got.count, &got.missed, &got.p50, &got.p99, &got.p999, &got.most)
	return got
}

func (got beats) report(b *testing.B, prefix string) {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(got.p50), prefix+"p50_ms")
	b.ReportMetric(ms(got.p99), prefix+"p99_ms")
	b.ReportMetric(ms(got.p999), prefix+"p99.9_ms")
	b.ReportMetric(ms(got.most), prefix+"max_ms")
	b.ReportMetric(float64(got.missed)/float64(max(1, got.count)), prefix+"missed/beat")
}

// BenchmarkBystanders measures heartbeats of 50 connections, 50 a second each, at
// rest, and while others get broadcasts of 128 bytes: 5,000 of them 8 broadcasts
// under way all the time (flood), or 10,000 one ten times a second (beat). All
// clients share the cores with the server, so a heartbeat also waits for the
// scheduler of the machine, three times; first_ is with bystanders that wait for
// nobody, so that what is left is the server's part and its own wait for a core.
func BenchmarkBystanders(b *testing.B) {
	bin := cProgram(b)
	for _, load := range []struct {
		name    string
		others  int
		command string
	}{{"flood", 5000, "fan 800 8 128"}, {"beat", 10000, "pace 40 100 128"}} {
		for _, mode := range []UringMode{UringOff, UringOn} {
			b.Run(load.name+"/uring="+mode.String(), func(b *testing.B) {
				loops := envInt("BYSTANDERS_LOOPS", 2)
				for b.Loop() {
					shm := filepath.Join(b.TempDir(), "shm")
					if err := os.WriteFile(shm, make([]byte, 4096), 0o600); err != nil {
						b.Fatal(err)
					}
					srv := startChild(b, childOptions{Loops: loops, Shm: shm, HeartbeatTimeout: time.Hour, Uring: mode}, 0, "GOGC=50", fmt.Sprint("GOMAXPROCS=", loops+1))
					startReader(b, bin, srv.port, load.others, 1, shm)
					for _, first := range []bool{false, true} {
						w := startWatchers(b, bin, srv.port, first)
						prefix := ""
						if first {
							prefix = "first_"
						} else {
							w.during(func() { time.Sleep(time.Second) }).report(b, "rest_")
						}
						var st childStat
						w.during(func() { st = srv.do("%s %d", load.command, load.others) }).report(b, prefix)
						b.ReportMetric(float64(st.Frames)/st.Elapsed.Seconds(), prefix+"frames/s")
					}
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
