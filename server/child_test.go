package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"carillon/server/config"
)

// childVariable makes the test binary run a gateway instead of tests: benchmarks
// with many connections need the descriptors of two processes.
const childVariable = "CARILLON_TEST_CHILD"

// runChild serves until standard input ends.
func runChild() int {
	cfg := config.Default()
	cfg.Server.Address = "127.0.0.1"
	cfg.Server.Port = 0
	cfg.Server.DrainWindow = 0
	srv, err := New(cfg, Options{
		Logger:   slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Verifier: testVerifier{},
		OnListen: func(addr string) { fmt.Println(addr) },
	})
	if err == nil {
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
		err = srv.Run(ctx)
		cancel()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// startChild starts a gateway in a process of its own.
func startChild(b testing.TB) (addr string, pid int) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			b.Errorf("gateway: %v", err)
		}
	})
	addr, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(addr), cmd.Process.Pid
}

// dialMany opens sessions of as many users.
func dialMany(b testing.TB, addr string, n int) []net.Conn {
	b.Helper()
	conns := make([]net.Conn, n)
	b.Cleanup(func() {
		for _, nc := range conns {
			if nc != nil {
				_ = nc.Close()
			}
		}
	})
	for i := range conns {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		conns[i] = nc
		_, _ = io.WriteString(nc, request(fmt.Sprintf("/ws?token=u-user-%d", i)))
		var head [512]byte
		if n, err := nc.Read(head[:]); err != nil || !strings.HasPrefix(string(head[:n]), "HTTP/1.1 101 ") || !strings.HasSuffix(string(head[:n]), "\r\n\r\n") {
			b.Fatalf("handshake %d: %q, %v", i, head[:n], err)
		}
	}
	return conns
}

// BenchmarkIdleGateway is what an idle session costs the whole gateway, user index
// included: the growth of its resident memory from 2,000 to 15,000 sessions of
// as many users, and its CPU time while they are idle.
func BenchmarkIdleGateway(b *testing.B) {
	const low, high, rest = 2000, 15000, 10 * time.Second
	for b.Loop() {
		addr, pid := startChild(b)
		settled := func() (rss int) {
			// The runtime gives memory back by and by; take what stays the same.
			for last := -1; rss != last; {
				last = rss
				time.Sleep(time.Second)
				rss = residentKB(b, pid)
			}
			return rss
		}
		dialMany(b, addr, low)
		before := settled()
		dialMany(b, addr, high-low)
		b.ReportMetric(float64(settled()-before)*1024/(high-low), "rss_B/session")
		cpu := cpuTime(b, pid)
		time.Sleep(rest)
		b.ReportMetric(float64((cpuTime(b, pid)-cpu).Microseconds())/rest.Seconds()/1000, "idle_cpu_ms/s")
	}
}

// residentKB reads the resident memory of a process.
func residentKB(b *testing.B, pid int) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return kb
}

// cpuTime reads the user and system time of a process.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	var ticks int
	for _, s := range f[11:13] { // utime and stime, in hundredths of a second
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
