package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// childCommand makes the test binary a worker, see TestMain.
const childCommand = "be-a-worker"

// childLines is how many lines a child logs.
const childLines = 2000

// child is the worker: it serves, logs, and ends as its argument says.
func child(args []string) int {
	in, _ := io.ReadAll(io.LimitReader(os.Stdin, 5))
	log := os.NewFile(LogFD, "log")
	fmt.Println("listening on " + string(in))
	for n := range childLines {
		fmt.Fprintf(log, "line %d of %s\n", n, args[0])
	}
	switch args[0] {
	case "drains":
		_, _ = io.Copy(io.Discard, os.Stdin)
		fmt.Fprintln(log, "drained")
		return 0
	case "fails":
		return 3
	case "panics":
		panic("boom")
	case "killed":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	select {} // deaf: does not drain
}

// spawned is a child with what it wrote.
type spawned struct {
	Process
	mu        sync.Mutex
	log, text bytes.Buffer
	texts     int
	address   string
}

func spawn(t *testing.T, how string) *spawned {
	t.Helper()
	s := &spawned{}
	note := func(b *bytes.Buffer) func([]byte) {
		return func(p []byte) {
			time.Sleep(10 * time.Millisecond) // Wait has to wait for it
			s.mu.Lock()
			defer s.mu.Unlock()
			b.Write(p)
			if b == &s.text {
				s.texts++
			}
		}
	}
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.Process, err = Spawn{
		Path: path, Args: []string{"worker", childCommand, how}, Input: []byte("hello"),
		Address: func(line string) { s.address = line },
		Log:     note(&s.log), Text: note(&s.text),
	}.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

// lines is the whole log of a child.
func (s *spawned) lines(how string) string {
	var b strings.Builder
	for n := range childLines {
		fmt.Fprintf(&b, "line %d of %s\n", n, how)
	}
	return b.String()
}

func TestSpawn(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]Exit{
		"drains": {}, "fails": {Code: 3}, "panics": {Code: 2}, "killed": {Signal: syscall.SIGKILL}, "deaf": {Signal: syscall.SIGKILL},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := spawn(t, how)
			<-s.Serving()
			if s.address != "listening on hello" {
				t.Errorf("address: got %q", s.address)
			}
			switch how {
			case "drains":
				s.Drain()
			case "deaf":
				s.Drain()
				s.Kill()
			}
			if got := s.Wait(); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
			log := s.lines(how)
			if how == "drains" {
				log += "drained\n"
			}
			if got := s.log.String(); how != "deaf" && got != log {
				t.Errorf("log: got %d bytes, want %d", len(got), len(log))
			}
			if got := s.text.String(); (how == "panics") != (s.texts == 1 && strings.Contains(got, "panic: boom\n") && strings.Contains(got, "goroutine 1")) {
				t.Errorf("standard error, in %d pieces: %q", s.texts, got)
			}
		})
	}
}

func TestSpawnWithoutProgram(t *testing.T) {
	t.Parallel()
	p, err := Spawn{Path: "/nowhere/at/all", Args: []string{"worker"}}.Start()
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, %v", p, err)
	}
}

// TestSpawnLeavesNoDescriptors is not parallel: it counts the descriptors of the process.
func TestSpawnLeavesNoDescriptors(t *testing.T) {
	count := func() int {
		names, err := os.ReadDir("/dev/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it closes files that nobody has
	life := func(how string) {
		s := spawn(t, how)
		<-s.Serving()
		if how == "drains" {
			s.Drain()
		}
		s.Wait()
		_, _ = Spawn{Path: "/nowhere/at/all", Args: []string{"worker"}}.Start()
	}
	life("fails") // the first one opens what the process needs for children
	before := count()
	for range 3 {
		life("fails")
		life("drains")
	}
	deadline := time.Now().Add(10 * time.Second)
	for count() > before { // other tests have not begun, but the runtime may be at work
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors before, %d after", before, count())
		}
		time.Sleep(10 * time.Millisecond)
	}
}
