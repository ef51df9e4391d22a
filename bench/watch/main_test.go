package watch

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// childVariable makes this test binary a process to watch.
const childVariable = "CARILLON_WATCH_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		obey(os.Stdin, os.Stdout)
		return
	}
	goleak.VerifyTestMain(m)
}

// machine makes a root of files that stand for a machine's.
func machine(t *testing.T, files map[string]string) root {
	t.Helper()
	dir := t.TempDir()
	r := root(dir)
	for name, text := range files {
		r.write(t, name, text)
	}
	return r
}

func (r root) write(t *testing.T, name, text string) {
	t.Helper()
	name = filepath.Join(string(r), name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// obey does what the lines of in ask for, and answers each.
func obey(in io.Reader, out io.Writer) {
	var kept [][]byte
	var files []*os.File
	var child *follower
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var word string
		var n int
		fmt.Sscan(lines.Text(), &word, &n)
		switch word {
		case "burn": // n ms of CPU
			for from := cpuTime(); cpuTime()-from < time.Duration(n)*time.Millisecond; {
			}
		case "hold": // n MiB
			// Beyond the heap, where neither the collector nor the race detector
			// adds to it.
			b, err := unix.Mmap(-1, 0, n<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
			if err != nil {
				fmt.Fprintln(out, err)
				return
			}
			for i := 0; i < len(b); i += 1024 {
				b[i] = 1
			}
			kept = append(kept, b)
		case "open": // n files
			for range n {
				f, err := os.Open(os.DevNull)
				if err != nil {
					fmt.Fprintln(out, err)
					return
				}
				files = append(files, f)
			}
		case "spawn": // a child of its own
			var err error
			if child, err = follow(exec.Command(os.Args[0])); err != nil {
				fmt.Fprintln(out, err)
				return
			}
			fmt.Fprintln(out, child.cmd.Process.Pid)
			continue
		case "pass": // the rest of the line is for the child
			if _, err := child.say(strings.TrimPrefix(lines.Text(), "pass ")); err != nil {
				fmt.Fprintln(out, err)
				return
			}
		case "bury":
			child.end()
		case "watch": // n is a pid; answers what can not be seen of it
			w := WatchPID(n)
			w.Begin()
			w.Close()
			fmt.Fprintln(out, strings.Join(w.Server(0, 0, 0)[0].Missing, "; "))
			continue
		}
		fmt.Fprintln(out, "done")
	}
	_, _ = len(kept), len(files)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// follower is a process that obeys.
type follower struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func follow(cmd *exec.Cmd) (*follower, error) {
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &follower{cmd, in, bufio.NewReader(out)}, cmd.Start()
}

func (f *follower) say(line string) (string, error) {
	if _, err := fmt.Fprintln(f.in, line); err != nil {
		return "", err
	}
	answer, err := f.out.ReadString('\n')
	return strings.TrimSpace(answer), err
}

func (f *follower) end() {
	_ = f.in.Close()
	_ = f.cmd.Wait()
}

// startFollower starts a process to watch, which ends with the test.
func startFollower(t *testing.T) *follower {
	t.Helper()
	f, err := follow(exec.Command(os.Args[0]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.end)
	f.order(t, "ready") // it is past its start
	return f
}

func (f *follower) order(t *testing.T, line string) string {
	t.Helper()
	answer, err := f.say(line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return answer
}

func (f *follower) pid() int { return f.cmd.Process.Pid }
