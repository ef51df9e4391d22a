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

// BenchmarkFanout compares broadcasts of 128 bytes to 10,000 connections with a
// plain C loop of send() over as many sockets: server, sender and readers are
// processes of their own (a process has 20,000 descriptors), the readers are the
// same C program on both sides, and the rounds alternate. A round ends when the
// last byte was read. x_C is our rate over C's (the median of the rounds' ratios).
//
//	go test ./netpoll -run '^$' -bench Fanout -benchtime 8x
func BenchmarkFanout(b *testing.B) {
	conns := envInt("FANOUT_CONNS", 10000)
	bin := cProgram(b)
	for _, loops := range []int{1, 2} {
		b.Run(fmt.Sprintf("loops=%d", loops), func(b *testing.B) {
			dir := b.TempDir()
			ours, theirs := filepath.Join(dir, "ours"), filepath.Join(dir, "c")
			cs := start(b, bin, "sender", strconv.Itoa(conns), strconv.Itoa(loops), theirs)
			var port int
			cs.scan(b, "port %d\n", &port)
			startReader(b, bin, port, conns, 0, theirs)
			if err := os.WriteFile(ours, make([]byte, 4096), 0o600); err != nil {
				b.Fatal(err)
			}
			srv := startChild(b, childOptions{Loops: loops, Shm: ours, HeartbeatTimeout: time.Hour}, 0, "GOGC=50", "GOMAXPROCS=4")
			startReader(b, bin, srv.port, conns, 1, ours)
			for srv.do("stat").Open != conns {
				time.Sleep(10 * time.Millisecond)
			}
			for _, m := range []struct {
				name               string
				broadcasts, window int
			}{{"lone", 10, 1}, {"window=8", 40, 8}} {
				b.Run(m.name, func(b *testing.B) {
					frames := float64(conns * m.broadcasts)
					var ratios, cpuRatios []float64
					var rate, cRate, cpu, cCPU float64
					round := func() (o, c, oc, cc float64) {
						before := srv.do("stat").CPU
						st := srv.do("fan %d %d %d %d", m.broadcasts, m.window, 128, conns)
						var ns, cns int64
						if _, err := fmt.Fprintln(cs.in, m.broadcasts, m.window, 132); err != nil {
							b.Fatal(err)
						}
						cs.scan(b, "%d %d\n", &ns, &cns)
						return frames / st.Elapsed.Seconds(), frames / (float64(ns) / 1e9), (st.CPU - before).Seconds() / frames * 1e6, float64(cns) / 1e9 / frames * 1e6
					}
					round()
					n := 0
					for b.Loop() {
						o, c, oc, cc := round()
						rate, cRate, cpu, cCPU = rate+o, cRate+c, cpu+oc, cCPU+cc
						ratios, cpuRatios = append(ratios, o/c), append(cpuRatios, oc/cc)
						n++
					}
					slices.Sort(ratios)
					slices.Sort(cpuRatios)
					b.ReportMetric(0, "ns/op")
					b.ReportMetric(rate/float64(n), "frames/s")
					b.ReportMetric(cRate/float64(n), "C_frames/s")
					b.ReportMetric(ratios[n/2], "x_C")
					b.ReportMetric(ratios[0], "x_C_min")
					b.ReportMetric(ratios[n-1], "x_C_max")
					b.ReportMetric(cpu/float64(n), "cpu_s/Mframe")
					b.ReportMetric(cCPU/float64(n), "C_cpu_s/Mframe")
					b.ReportMetric(cpuRatios[n/2], "x_C_cpu")
				})
			}
		})
	}
}
