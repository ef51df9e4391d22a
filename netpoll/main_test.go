package netpoll

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// TestMain runs the tests, and fails them when a goroutine or a descriptor is
// left. With NETPOLL_CHILD set the binary is a server for a test instead.
func TestMain(m *testing.M) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.NumCPU() + 2) // loops linger, as those of the gateway
	}
	if child := os.Getenv("NETPOLL_CHILD"); child != "" {
		if err := runChild(child); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	before := openFDs()
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(
			// gnet's pool of workers for enrolling; idle ones stay a while.
			goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
			goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
			goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"),
		); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines left:", err)
			code = 1
		}
		deadline := time.Now().Add(5 * time.Second)
		for openFDs() > before && time.Now().Before(deadline) {
			runtime.GC() // a client that a test left to the collector
			time.Sleep(10 * time.Millisecond)
		}
		// One more is the runtime's own epoll descriptor and its eventfd.
		if after := openFDs(); after > before+2 {
			fmt.Fprintf(os.Stderr, "descriptors left: %d before, %d after\n", before, after)
			code = 1
		}
	}
	if n := uringMaps(); n > 0 {
		fmt.Fprintf(os.Stderr, "%d mappings of io_uring left\n", n)
		code = 1
	}
	os.Exit(code)
}

// uringMaps returns the number of mappings of io_uring in this process.
func uringMaps() int {
	b, _ := os.ReadFile("/proc/self/maps") // systems without it have no io_uring
	return strings.Count(string(b), "anon_inode:[io_uring]")
}

func openFDs() int {
	names, err := os.ReadDir("/dev/fd")
	if err != nil {
		panic(err)
	}
	return len(names)
}

// childOptions is what a child server is told in its environment.
type childOptions struct {
	Host                               string
	Port                               int
	Unix                               string
	SharePort                          bool
	Loops, MaxConns                    int
	HeartbeatTimeout, HandshakeTimeout time.Duration

	Uring UringMode

	Shm string // a counter of delivered bytes, see fanout.c
}

// childStat is a child's answer to "stat".
type childStat struct {
	Conns, Open, MaxConns int
	Messages              int64
	Causes                map[string]int
	Heap, RSS             int64 // bytes
	CPU                   time.Duration
	Elapsed               time.Duration // of the command
	Frames                int           // that it sent
	Done                  bool          // the loops have ended
}

// runChild is a server that takes commands, one a line, on stdin.
func runChild(config string) error {
	var co childOptions
	if err := json.Unmarshal([]byte(config), &co); err != nil {
		return err
	}
	opt := Options{
		Host: co.Host, Port: co.Port, Unix: co.Unix, SharePort: co.SharePort, Loops: co.Loops, MaxConns: co.MaxConns,
		HeartbeatTimeout: co.HeartbeatTimeout, HandshakeTimeout: co.HandshakeTimeout,
		Uring: co.Uring,
	}
	opt.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	opt.Policy.Path = "/ws"
	h := newTestHandler()
	h.forget = true
	r, err := New(opt, h)
	if err != nil {
		return err
	}
	if err := r.Start(); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	fmt.Println("port", r.Port())
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var elapsed time.Duration
		var frames int
		cmd := strings.Fields(in.Text())
		switch cmd[0] {
		case "stat":
		case "gc":
			debug.FreeOSMemory()
		case "fan", "pace":
			if frames, elapsed, err = childFan(r, co.Shm, cmd); err != nil {
				return err
			}
		}
		st := childStat{Conns: r.Conns(), MaxConns: r.MaxConns(), Messages: h.messages.Load(), CPU: cpuTime(), Elapsed: elapsed, Frames: frames, Causes: map[string]int{}}
		for _, s := range r.Stats() {
			st.Open += s.Open
			for k, n := range s.Closed {
				if n > 0 {
					st.Causes[Cause(k).String()] += int(n)
				}
			}
		}
		select {
		case <-r.Done():
			st.Done = true
		default:
		}
		st.Heap, st.RSS = memory()
		if err := out.Encode(st); err != nil {
			return err
		}
	}
	return r.Stop()
}

func cpuTime() time.Duration {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		panic(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

func memory() (heap, rss int64) {
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	b, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		var size, resident int64
		if _, err := fmt.Sscan(string(b), &size, &resident); err == nil {
			rss = resident * int64(os.Getpagesize())
		}
	}
	return int64(ms.HeapAlloc), rss
}

// child is a server process of a test.
type child struct {
	t    testing.TB
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	port int
}

// startChild runs this test binary as a server; limit, when not 0, is its
// descriptor limit.
func startChild(t testing.TB, opt childOptions, limit int, env ...string) *child {
	t.Helper()
	if opt.Host == "" {
		opt.Host = "127.0.0.1"
	}
	config, err := json.Marshal(opt)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	if limit > 0 {
		cmd = exec.Command("/bin/sh", "-c", fmt.Sprintf("ulimit -n %d && exec %s", limit, self))
	}
	cmd.Env = append(append(os.Environ(), "NETPOLL_CHILD="+string(config)), env...)
	cmd.Stderr = os.Stderr
	c := &child{t: t, cmd: cmd}
	if c.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.in.Close()
		if err := cmd.Wait(); err != nil && !t.Failed() {
			t.Errorf("server process: %v", err)
		}
	})
	if _, err := fmt.Fscanf(c.out, "port %d\n", &c.port); err != nil {
		t.Fatalf("server process: %v", err)
	}
	return c
}

// do gives the child a command and returns its answer.
func (c *child) do(format string, args ...any) (st childStat) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.in, format+"\n", args...); err != nil {
		c.t.Fatal(err)
	}
	line, err := c.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &st)
	}
	if err != nil {
		c.t.Fatalf("server process, %s: %v", format, err)
	}
	return st
}
