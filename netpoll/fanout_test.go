package netpoll

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// cProgram builds testdata/fanout.c once per benchmark.
func cProgram(b *testing.B) string {
	b.Helper()
	bin := filepath.Join(b.TempDir(), "fanout")
	out, err := exec.Command("gcc", "-O2", "-Wall", "-pthread", "-o", bin, "testdata/fanout.c").CombinedOutput()
	if err != nil {
		b.Fatalf("gcc: %v\n%s", err, out)
	}
	return bin
}

// process is a C process that is told on stdin and answers on stdout.
type process struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func start(b *testing.B, bin string, args ...string) *process {
	b.Helper()
	cmd := exec.Command(bin, args...)
	cmd.Stderr = os.Stderr
	p := new(process)
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = p.in.Close()
		if err := cmd.Wait(); err != nil {
			b.Errorf("%v: %v", args, err)
		}
	})
	return p
}

func (p *process) scan(b *testing.B, format string, args ...any) {
	b.Helper()
	if _, err := fmt.Fscanf(p.out, format, args...); err != nil {
		b.Fatal(err)
	}
}

func startReader(b *testing.B, bin string, port, n, ws int, shm string) {
	b.Helper()
	r := start(b, bin, "reader", strconv.Itoa(port), strconv.Itoa(n), strconv.Itoa(ws), shm)
	r.scan(b, "ready\n")
}

func envInt(name string, def int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return def
}

// fanSide is a server of BenchmarkFanout with its clients, and what its rounds
// came to.
type fanSide struct {
	name string
	// round does one round and returns the time it took and the CPU time of the
	// server.
	round      func(broadcasts, window int) (elapsed, cpu time.Duration)
	rates      []float64 // frames a second
	cpuSeconds []float64 // CPU seconds a million frames
}

func (s *fanSide) measure(conns, broadcasts, window int) {
	frames := float64(conns * broadcasts)
	elapsed, cpu := s.round(broadcasts, window)
	s.rates = append(s.rates, frames/elapsed.Seconds())
	s.cpuSeconds = append(s.cpuSeconds, cpu.Seconds()/frames*1e6)
}

// ratios returns a over b, round by round, in ascending order.
func ratios(a, b []float64) []float64 {
	var all []float64
	for i := range a {
		all = append(all, a[i]/b[i])
	}
	slices.Sort(all)
	return all
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// fanC is the C program: a loop of send(), or a way through io_uring.
func fanC(b *testing.B, bin, shm string, conns, loops int, way ...string) *fanSide {
	p := start(b, bin, append([]string{"sender", strconv.Itoa(conns), strconv.Itoa(loops), shm}, way...)...)
	var port int
	p.scan(b, "port %d\n", &port)
	startReader(b, bin, port, conns, 0, shm)
	return &fanSide{name: "C", round: func(broadcasts, window int) (elapsed, cpu time.Duration) {
		if _, err := fmt.Fprintln(p.in, broadcasts, window, 132); err != nil {
			b.Fatal(err)
		}
		p.scan(b, "%d %d\n", &elapsed, &cpu)
		return elapsed, cpu
	}}
}

// fanServer is a reactor.
func fanServer(b *testing.B, bin, shm string, conns, loops int, mode UringMode) *fanSide {
	if err := os.WriteFile(shm, make([]byte, 4096), 0o600); err != nil {
		b.Fatal(err)
	}
	srv := startChild(b, childOptions{Loops: loops, Shm: shm, HeartbeatTimeout: time.Hour, Uring: mode}, 0, "GOGC=50", fmt.Sprint("GOMAXPROCS=", loops+1))
	startReader(b, bin, srv.port, conns, 1, shm)
	for srv.do("stat").Open != conns {
		time.Sleep(10 * time.Millisecond)
	}
	name := "send"
	if mode == UringOn {
		name = "uring"
	}
	return &fanSide{name: name, round: func(broadcasts, window int) (elapsed, cpu time.Duration) {
		before := srv.do("stat").CPU
		st := srv.do("fan %d %d %d %d", broadcasts, window, 128, conns)
		return st.Elapsed, st.CPU - before
	}}
}

// fanTurns has the sides, of which the first is C, do rounds in turns.
func fanTurns(b *testing.B, sides []*fanSide, conns, broadcasts, window int) {
	c := sides[0]
	for _, s := range sides {
		s.round(broadcasts, window)
		s.rates, s.cpuSeconds = nil, nil
	}
	for n := 0; b.Loop(); n++ {
		for i := range sides {
			sides[(i+n)%len(sides)].measure(conns, broadcasts, window)
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, s := range sides {
		b.ReportMetric(median(s.rates), s.name+"_frames/s")
		b.ReportMetric(median(s.cpuSeconds), s.name+"_cpu_s/Mframe")
		if s != c {
			r := ratios(s.rates, c.rates)
			b.ReportMetric(r[len(r)/2], s.name+"_x_C")
			b.ReportMetric(r[0], s.name+"_x_C_min")
			b.ReportMetric(r[len(r)-1], s.name+"_x_C_max")
			b.ReportMetric(median(ratios(s.cpuSeconds, c.cpuSeconds)), s.name+"_cpu_x_C")
		}
	}
}

// loneBroadcasts are those of a round where one is under way at a time. Receivers
// acknowledge some sixteen segments each at once after a rest, which costs the sender
// half as much again; rounds that end with those are rounds of those.
const loneBroadcasts = 60

// BenchmarkFanout compares broadcasts of 128 bytes to 10,000 connections, with and
// without io_uring, with a plain C loop of send() over as many sockets: servers,
// sender and readers are processes of their own (a process has 20,000
// descriptors), the readers are the same C program on all sides, and the rounds
// alternate. A round ends when the last byte was read. send_x_C is our rate over
// C's, uring_x_C that through io_uring (the medians of the rounds' ratios).
//
//	go test ./netpoll -run '^$' -bench Fanout -benchtime 8x
func BenchmarkFanout(b *testing.B) {
	conns := envInt("FANOUT_CONNS", 10000)
	bin := cProgram(b)
	for _, loops := range []int{1, 2} {
		b.Run(fmt.Sprintf("loops=%d", loops), func(b *testing.B) {
			dir := b.TempDir()
			c := fanC(b, bin, filepath.Join(dir, "c"), conns, loops)
			sides := []*fanSide{c}
			for _, mode := range []UringMode{UringOff, UringOn} {
				sides = append(sides, fanServer(b, bin, filepath.Join(dir, mode.String()), conns, loops, mode))
			}
			for _, m := range []struct {
				name               string
				broadcasts, window int
			}{{"lone", loneBroadcasts, 1}, {"window=8", 40, 8}} {
				b.Run(m.name, func(b *testing.B) {
					fanTurns(b, sides, conns, m.broadcasts, m.window)
				})
			}
		})
	}
}

// BenchmarkUringWays has a loop of send() and ways through io_uring take turns, all
// in C with one thread: 64 and 512 sends in a system call, and 512 with
// IORING_SETUP_DEFER_TASKRUN, with registered descriptors, and with a registered ring
// besides. It tells what there is to gain for a reactor.
//
//	go test ./netpoll -run '^$' -bench UringWays -benchtime 8x
func BenchmarkUringWays(b *testing.B) {
	conns := envInt("FANOUT_CONNS", 10000)
	bin, dir := cProgram(b), b.TempDir()
	c := fanC(b, bin, filepath.Join(dir, "c"), conns, 1)
	for _, way := range []string{"64", "512", "512 deferred", "512 files", "512 deferred files ring"} {
		words := strings.Fields(way)
		name := strings.Join(words, "+")
		b.Run(name, func(b *testing.B) {
			ring := fanC(b, bin, filepath.Join(dir, name), conns, 1, words...)
			ring.name = "uring"
			fanTurns(b, []*fanSide{c, ring}, conns, loneBroadcasts, 1)
		})
	}
}
