package services

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// ownerVariable makes the test binary start servers and wait, instead of running
// tests, so that a test can kill it.
const ownerVariable = "CARILLON_SERVICES_OWNER"

func TestMain(m *testing.M) {
	if os.Getenv(ownerVariable) != "" {
		os.Exit(own())
	}
	// Servers that start or elect a master mostly wait.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// own starts one server of each kind, says so, and waits until it is killed.
func own() int {
	ctx := context.Background()
	redis, err := StartRedis(ctx, RedisOptions{})
	if err == nil {
		var rabbit *RabbitMQ
		if rabbit, err = StartRabbitMQ(ctx, RabbitOptions{}); err == nil {
			fmt.Println(redis.work.path, rabbit.work.path, redis.port, rabbit.port, rabbit.mapperPort)
			_, _ = io.Copy(io.Discard, os.Stdin)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// waitFor waits until a condition holds; cond returns "" then, else what is.
func waitFor(t *testing.T, what string, cond func() string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		got := cond()
		if got == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s: %s", what, got)
		}
		time.Sleep(pollEvery)
	}
}

// processesIn lists the processes, zombies apart, whose working directory is dir or
// in it, as the servers' are.
func processesIn(t *testing.T, dir string) (found []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil || len(links) == 0 {
		t.Fatalf("no processes: %v", err)
	}
	for _, link := range links {
		// A zombie has no working directory.
		if cwd, err := os.Readlink(link); err == nil && strings.HasPrefix(cwd, dir) {
			name, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "comm"))
			found = append(found, strings.TrimSpace(string(name)))
		}
	}
	return found
}

// wantNothingLeft checks that no process, file or listener of a server is left.
func wantNothingLeft(t *testing.T, dir string, ports ...int) {
	t.Helper()
	waitFor(t, "no process is left", func() string { return strings.Join(processesIn(t, dir), " ") })
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("directory is left: %v", err)
	}
	for _, port := range ports {
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err != nil {
			t.Errorf("port is left: %v", err)
			continue
		}
		_ = l.Close()
	}
}
