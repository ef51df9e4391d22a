package processtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// patience bounds every wait of a test; reaching it is a failure.
const patience = 60 * time.Second

func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting for %s", what)
		}
	}
}

// buffer collects what a process writes.
type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// supervisor is a carillon serve --processes under test.
type supervisor struct {
	t        testing.TB
	node     string
	n        int
	addr     string
	token    string // of clients
	admin    int    // the port of the first worker's admin endpoints
	database int
	vhost    string
	cmd      *exec.Cmd
	out, log *buffer
	done     chan struct{}
}

// database counts those that were handed out.
var database atomic.Int32

// takeCluster takes a database of Redis and a virtual host of RabbitMQ that no other supervisor uses.
func (s *supervisor) takeCluster() {
	s.t.Helper()
	s.database = int(database.Add(1))
	var err error
	if s.vhost, err = rabbit.NewVhost(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// clusterFlags name them; the password is in environ.
func (s *supervisor) clusterFlags() []string {
	return []string{
		"--spring.data.redis.host=127.0.0.1", "--spring.data.redis.port=" + strconv.Itoa(redis.Port()),
		"--spring.data.redis.database=" + strconv.Itoa(s.database),
		"--spring.rabbitmq.host=127.0.0.1", "--spring.rabbitmq.port=" + strconv.Itoa(rabbit.Port()),
		"--spring.rabbitmq.virtual-host=" + s.vhost,
	}
}

// wantNothingLeft wants the cluster to be as it was before.
func (s *supervisor) wantNothingLeft() {
	s.t.Helper()
	client := goredis.NewClient(&goredis.Options{Addr: redis.Addr(), Password: redisPassword, DB: s.database})
	defer client.Close()
	if keys, err := client.Keys(s.t.Context(), "*").Result(); err != nil || len(keys) > 0 {
		s.t.Errorf("keys in Redis: got %q, %v", keys, err)
	}
	if queues, err := rabbit.Queues(s.t.Context(), s.vhost); err != nil || len(queues) > 0 {
		s.t.Errorf("queues in RabbitMQ: got %+v, %v", queues, err)
	}
}

// environ is nothing of whoever runs the tests, and a secret.
func environ() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "SPRING_DATA_REDIS_PASSWORD=" + redisPassword}
}

// command is a supervisor of n workers that does not run yet.
func command(t testing.TB, n int, flags ...string) *supervisor {
	t.Helper()
	s := &supervisor{t: t, token: "Admin@123", node: "gw-" + strconv.Itoa(os.Getpid()), n: n, admin: freePorts(t, n), out: &buffer{}, log: &buffer{}, done: make(chan struct{})}
	args := []string{
		"serve", "--processes=" + strconv.Itoa(n), "--server.address=127.0.0.1", "--server.port=0", "--server.node-id=" + s.node,
		"--server.drain-window=0", "--websocket.close-timeout=500ms", "--admin.listen=127.0.0.1:" + strconv.Itoa(s.admin),
	}
	s.takeCluster()
	s.cmd = exec.Command(binary, append(append(args, s.clusterFlags()...), flags...)...)
	s.cmd.Dir = t.TempDir()
	s.cmd.Env = environ()
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.log
	return s
}

// supervise starts n workers and waits until all of them serve. They are ended with the test.
func supervise(t testing.TB, n int, flags ...string) *supervisor {
	t.Helper()
	s := command(t, n, flags...)
	s.start()
	s.awaitAddress()
	s.awaitReady()
	return s
}

// awaitReady waits until all workers are nodes of the cluster, before which they refuse sessions.
func (s *supervisor) awaitReady() {
	s.t.Helper()
	for i := 1; i <= s.n; i++ {
		waitFor(s.t, "worker "+strconv.Itoa(i), func() bool {
			_, err := s.get(i, "/readyz")
			return s.ended() || err == nil
		})
	}
}

// awaitAddress waits until all workers serve.
func (s *supervisor) awaitAddress() {
	s.t.Helper()
	waitFor(s.t, "the address", func() bool { return s.ended() || strings.Contains(s.out.String(), "\n") })
	addr, ok := strings.CutPrefix(strings.TrimSpace(s.out.String()), "listening on ")
	if !ok {
		s.t.Fatalf("standard output: got %q", s.out)
	}
	s.addr = addr
}

func (s *supervisor) start() {
	s.t.Helper()
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	s.t.Cleanup(func() {
		if !s.ended() {
			s.signal(syscall.SIGTERM)
			s.signal(syscall.SIGTERM)
			<-s.done
		}
		if s.t.Failed() {
			for line := range strings.Lines(s.log.String()) {
				s.t.Logf("%.300s", line)
			}
		}
	})
}

func (s *supervisor) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *supervisor) signal(sig syscall.Signal) { _ = s.cmd.Process.Signal(sig) }

// wantExit waits for the end, and wants no worker to be left.
func (s *supervisor) wantExit(want int) {
	s.t.Helper()
	waitFor(s.t, "the end", s.ended)
	if got := s.cmd.ProcessState.ExitCode(); got != want {
		s.t.Errorf("exit code: got %d, want %d", got, want)
	}
	for node, pids := range s.pids() {
		for _, pid := range pids {
			if alive(pid) {
				s.t.Errorf("worker %s (pid %d) is left", node, pid)
			}
		}
	}
}

var servingLine = regexp.MustCompile(`msg=serving worker=(\S+) .* pid=(\d+)`)

// pids are the processes that each worker has had so far, by node.
func (s *supervisor) pids() map[string][]int {
	all := map[string][]int{}
	for _, m := range servingLine.FindAllStringSubmatch(s.log.String(), -1) {
		pid, _ := strconv.Atoi(m[2])
		all[m[1]] = append(all[m[1]], pid)
	}
	return all
}

// worker is the name of worker i, counted from 1.
func (s *supervisor) worker(i int) string { return fmt.Sprintf("%s-%d", s.node, i) }

// pid is the process of worker i now.
func (s *supervisor) pid(i int) int {
	s.t.Helper()
	pids := s.pids()[s.worker(i)]
	if len(pids) == 0 {
		s.t.Fatalf("worker %d has not served", i)
	}
	return pids[len(pids)-1]
}

// alive tells whether a process runs; one that nobody has waited for does not.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	return fields[0] != "Z" && fields[0] != "X"
}

// freePorts returns the first of n ports in a row that are free. They are below those that the kernel gives to clients.
func freePorts(t testing.TB, n int) int {
	t.Helper()
	for range 100 {
		first := 10_000 + rand.IntN(20_000)
		free := 0
		for ; free < n; free++ {
			ln, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(first+free))
			if err != nil {
				break
			}
			_ = ln.Close()
		}
		if free == n {
			return first
		}
	}
	t.Fatal("no free ports in a row")
	return 0
}
