package processtest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gorilla/websocket"
)

// TestProcessesShareThePort follows the workers through their life: all of them get connections, one that is killed is
// replaced under its name, and all drain together.
func TestProcessesShareThePort(t *testing.T) {
	t.Parallel()
	const n, sessions = 3, 120
	s := supervise(t, n)
	clients := s.connect(sessions)
	counts := s.sessions()
	sum := 0
	for i, c := range counts {
		sum += c
		if c < 1 {
			t.Errorf("worker %d got no connection: %v", i+1, counts)
		}
	}
	if sum != sessions {
		t.Errorf("got %v, want %d in all", counts, sessions)
	}

	if _, err := s.call(1, "POST", "/websocket/send/user/10001", `{"message":"to all of them"}`); err != nil {
		t.Error(err)
	}
	for _, c := range clients {
		if err := c.await(c.pushes, "the push to another worker"); err != nil {
			t.Fatal(err)
		}
	}

	first := s.pids()
	if err := syscall.Kill(s.pid(2), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the second start of worker 2", func() bool { return len(s.pids()[s.worker(2)]) == 2 })
	s.awaitReady()
	waitFor(t, "its clients to notice", func() bool {
		over := 0
		for _, c := range clients {
			if c.over() {
				over++
			}
		}
		return over == counts[1]
	})
	if again := s.pids(); len(again) != n || !slices.Equal(again[s.worker(1)], first[s.worker(1)]) || again[s.worker(2)][1] == first[s.worker(2)][0] {
		t.Errorf("pids: got %v, before %v", again, first)
	}
	if text := s.log.String(); !strings.Contains(text, `msg="worker ended, starting it again" worker=`+s.worker(2)+` how="signal 9 (killed)"`) {
		t.Error("how it ended is not in the log")
	}
	if strings.Contains(s.log.String(), "is taken") {
		t.Error("the new worker waited for the lease of the old one")
	}
	clients = slices.DeleteFunc(clients, (*client).over)
	clients = append(clients, s.connect(counts[1]*n)...)
	if counts = s.sessions(); slices.Min(counts) < 1 {
		t.Errorf("after the restart: got %v", counts)
	}
	for _, c := range clients {
		if err := c.beat(); err != nil {
			t.Error(err)
		}
	}

	s.signal(syscall.SIGTERM)
	waitFor(t, "close 1001 everywhere", func() bool {
		return !slices.ContainsFunc(clients, func(c *client) bool { return !c.closedWith(websocket.CloseGoingAway) })
	})
	s.wantExit(0)
	if got, want := s.out.String(), "listening on "+s.addr+"\n"; got != want {
		t.Errorf("standard output: got %q, want %q", got, want)
	}
	s.wantNothingLeft()
	if strings.Contains(s.log.String(), redisPassword) {
		t.Error("the password of Redis is in the log")
	}
}

// TestProcessesAsOthersSeeThem looks at the list of processes.
func TestProcessesAsOthersSeeThem(t *testing.T) {
	t.Parallel()
	s := supervise(t, 2, "--auth.mode=static", "--auth.tokens=hunter2-of-a-user=alice")
	for i := 1; i <= 2; i++ {
		dir := fmt.Sprintf("/proc/%d/", s.pid(i))
		args, err := os.ReadFile(dir + "cmdline")
		if err != nil {
			t.Fatal(err)
		}
		if want := binary + "\x00worker\x00" + s.worker(i) + "\x00"; string(args) != want {
			t.Errorf("arguments: got %q, want %q", args, want)
		}
		name, err := os.ReadFile(dir + "comm")
		if err != nil || string(name) != "carillon\n" {
			t.Errorf("name: got %q, %v", name, err)
		}
	}
	s.signal(syscall.SIGTERM)
	s.wantExit(0)
}

// TestProcessesNameThemselves has no node id: it is made of host name and the port that was found.
func TestProcessesNameThemselves(t *testing.T) {
	t.Parallel()
	s := supervise(t, 2, "--server.node-id=")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 2; i++ {
		if want := fmt.Sprintf("%s-%s-%d", host, s.addr[strings.LastIndexByte(s.addr, ':')+1:], i); s.pids()[want] == nil {
			t.Errorf("no worker %s: %v", want, s.pids())
		}
	}
	s.signal(syscall.SIGINT)
	s.wantExit(0)
}
