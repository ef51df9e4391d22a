package processtest

import (
	"context"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"
)

// silent opens a session that neither reads nor answers a close.
func (s *supervisor) silent() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	conn, _, _, err := ws.Dial(ctx, "ws://"+s.addr+"/ws?token=Admin@123")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
}

// TestProcessesExceedTheShutdownTimeout has the code of the worst worker: the one with a client that does not go.
func TestProcessesExceedTheShutdownTimeout(t *testing.T) {
	t.Parallel()
	s := supervise(t, 2, "--websocket.close-timeout=1m", "--server.shutdown-timeout=1s")
	s.silent()
	s.signal(syscall.SIGTERM)
	s.wantExit(5)
}

// TestProcessesKillAWorkerThatHangs stops a worker for good.
func TestProcessesKillAWorkerThatHangs(t *testing.T) {
	t.Parallel()
	s := supervise(t, 2, "--server.shutdown-timeout=1s")
	if err := syscall.Kill(s.pid(1), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGTERM)
	s.wantExit(5)
	if !strings.Contains(s.log.String(), "did not drain in time") {
		t.Error("the log does not say so")
	}
}

func TestProcessesEndOnSecondSignal(t *testing.T) {
	t.Parallel()
	s := supervise(t, 2, "--websocket.close-timeout=1m", "--server.shutdown-timeout=10m")
	s.silent()
	s.signal(syscall.SIGTERM)
	waitFor(t, "draining", func() bool { return strings.Contains(s.log.String(), "msg=draining") })
	s.signal(syscall.SIGINT)
	s.wantExit(130)
}

// TestProcessesDrainWhenAllGetTheSignal does what a service manager does that sends SIGTERM to every process of a unit.
func TestProcessesDrainWhenAllGetTheSignal(t *testing.T) {
	t.Parallel()
	s := supervise(t, 2, "--server.drain-window=300ms")
	clients := s.connect(20)
	for _, pid := range []int{s.pid(1), s.cmd.Process.Pid, s.pid(2)} {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
	s.wantExit(0)
	waitFor(t, "close 1001 everywhere", func() bool {
		return !slices.ContainsFunc(clients, func(c *client) bool { return !c.closedWith(websocket.CloseGoingAway) })
	})
}

// TestProcessesDrainWhenTheTerminalGoes does what a terminal that is closed does: SIGHUP comes twice, from the shell and
// from the kernel. A SIGTERM behind them is the first that counts.
func TestProcessesDrainWhenTheTerminalGoes(t *testing.T) {
	t.Parallel()
	s := supervise(t, 2, "--websocket.close-timeout=1m", "--server.shutdown-timeout=10m")
	c := s.connect(1)[0]
	s.silent()
	for n := 1; n <= 2; n++ {
		s.signal(syscall.SIGHUP)
		waitFor(t, "the signal", func() bool { return strings.Count(s.log.String(), "msg=signal signal=hangup") == n })
	}
	waitFor(t, "close 1001", func() bool { return c.closedWith(websocket.CloseGoingAway) })
	s.signal(syscall.SIGTERM)
	waitFor(t, "the signal", func() bool { return strings.Contains(s.log.String(), "msg=signal signal=terminated") })
	if s.ended() || strings.Contains(s.log.String(), "second signal") {
		t.Error("it did not go on draining")
	}
	s.signal(syscall.SIGTERM)
	s.wantExit(143)
}

// TestProcessesUnderNohup wants SIGHUP to change nothing where it is ignored.
func TestProcessesUnderNohup(t *testing.T) {
	t.Parallel()
	s := command(t, 2)
	nohup, err := exec.LookPath("nohup")
	if err != nil {
		t.Skip(err)
	}
	s.cmd.Path, s.cmd.Args = nohup, append([]string{"nohup"}, s.cmd.Args...)
	s.start()
	s.awaitAddress()
	s.awaitReady()
	c := s.connect(1)[0]
	s.signal(syscall.SIGHUP)
	if err := syscall.Kill(s.pid(1), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGTERM) // of two signals that wait, the kernel delivers the lower number first
	s.wantExit(0)
	waitFor(t, "the end of the session", c.over)
	if !c.closedWith(websocket.CloseGoingAway) || strings.Contains(s.log.String(), "signal=hangup") || !strings.Contains(s.log.String(), "signal=terminated") {
		t.Errorf("it did not end by SIGTERM: %v", c.err)
	}
}

// TestProcessesLeaveTheTerminalToTheSupervisor does what Ctrl-C does: a signal to the foreground process group.
func TestProcessesLeaveTheTerminalToTheSupervisor(t *testing.T) {
	t.Parallel()
	s := command(t, 2)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.start()
	s.awaitAddress()
	if err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	s.wantExit(0)
	if n := strings.Count(s.log.String(), "msg=signal"); n != 1 {
		t.Errorf("%d processes got the signal, want the supervisor alone", n)
	}
}

// TestProcessesDrainOneWorker sends a worker SIGTERM: it drains, and is started again.
func TestProcessesDrainOneWorker(t *testing.T) {
	t.Parallel()
	s := supervise(t, 2)
	if err := syscall.Kill(s.pid(1), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "its second start", func() bool { return len(s.pids()[s.worker(1)]) == 2 })
	if !strings.Contains(s.log.String(), `worker=`+s.worker(1)+` how="exit code 0"`) {
		t.Error("it did not end by itself")
	}
	s.signal(syscall.SIGHUP)
	s.wantExit(0)
}

// TestProcessesDrainWithoutTheirSupervisor kills the supervisor, which can not tell anybody.
func TestProcessesDrainWithoutTheirSupervisor(t *testing.T) {
	t.Parallel()
	s := supervise(t, 2)
	clients := s.connect(20)
	s.signal(syscall.SIGKILL)
	waitFor(t, "close 1001 everywhere", func() bool {
		return !slices.ContainsFunc(clients, func(c *client) bool { return !c.closedWith(websocket.CloseGoingAway) })
	})
	waitFor(t, "the end of the workers", func() bool { return !alive(s.pid(1)) && !alive(s.pid(2)) })
}

// listen takes a port of the machine.
func listen(t testing.TB, port int) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// TestProcessesFindTheirPortTaken has a stranger on the shared port: no worker is started.
func TestProcessesFindTheirPortTaken(t *testing.T) {
	t.Parallel()
	s := command(t, 2, "--server.port="+strconv.Itoa(listen(t, 0).Addr().(*net.TCPAddr).Port))
	s.start()
	s.wantExit(4)
	if text := s.log.String(); !strings.Contains(text, "address already in use") || strings.Contains(text, "worker=") {
		t.Errorf("got\n%s", text)
	}
}

// TestProcessesEndWhenOneCanNotListen has a stranger on the port of the second worker's admin endpoints.
func TestProcessesEndWhenOneCanNotListen(t *testing.T) {
	t.Parallel()
	s := command(t, 2)
	listen(t, s.admin+1)
	s.start()
	s.wantExit(4)
	if text := s.log.String(); !strings.Contains(text, "worker="+s.worker(2)+" carillon: admin.listen: ") || !strings.Contains(text, "\ncarillon: worker "+s.worker(2)+": exit code 4") {
		t.Errorf("got\n%s", text)
	}
	if s.out.String() != "" {
		t.Errorf("standard output: got %q", s.out)
	}
}

// TestProcessesWaitForAPortThatIsTakenLater has a stranger take the port of a worker's admin endpoints while the worker is
// down: the others go on, and it comes back when the port is free.
func TestProcessesWaitForAPortThatIsTakenLater(t *testing.T) {
	t.Parallel()
	s := supervise(t, 2)
	var ln net.Listener
	waitFor(t, "the port", func() bool {
		_ = syscall.Kill(s.pid(2), syscall.SIGKILL) // once more, if it was back first
		var err error
		ln, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(s.admin+1))
		return err == nil
	})
	defer ln.Close()
	waitFor(t, "a failed start", func() bool {
		return s.ended() || strings.Contains(s.log.String(), `msg="worker ended, starting it again" worker=`+s.worker(2)+` how="exit code 4"`)
	})
	if _, err := s.get(1, "/readyz"); err != nil {
		t.Errorf("the other worker: %v", err)
	}
	before := len(s.pids()[s.worker(2)])
	_ = ln.Close()
	waitFor(t, "its next start", func() bool { return s.ended() || len(s.pids()[s.worker(2)]) > before })
	s.signal(syscall.SIGTERM)
	s.wantExit(0)
}

// TestProcessesAreStartedAgainAndAgain kills one worker as often as it serves, and wants longer and longer delays.
func TestProcessesAreStartedAgainAndAgain(t *testing.T) {
	t.Parallel()
	s := supervise(t, 2)
	const deaths = 3
	for n := 1; n <= deaths; n++ {
		_ = syscall.Kill(s.pid(1), syscall.SIGKILL)
		died := time.Now()
		waitFor(t, "the next start", func() bool { return len(s.pids()[s.worker(1)]) == n+1 })
		if took, least := time.Since(died), 150*time.Millisecond<<(n-1); took < least {
			t.Errorf("start %d after %v, want at least %v", n, took, least)
		}
	}
	s.signal(syscall.SIGTERM)
	s.wantExit(0)
}
