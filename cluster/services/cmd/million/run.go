package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"carillon/cluster/services"
)

const (
	// secret signs the tokens of a cluster that lives for minutes on one machine.
	secret = "of a cluster that lives for some minutes"
	// news begins the message that everybody gets; clients that beat pass it over.
	news = `{"type":"BIZ","code":"NEWS"`
	// startLimit bounds how long the gateways may take to be one cluster.
	startLimit = 2 * time.Minute
)

// run does everything and prints what came of it.
func run(ctx context.Context, o options, w io.Writer) (err error) {
	path, err := filepath.Abs(o.carillon)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%w: make build makes it", err)
	}
	room, err := judge(o.count, w)
	if err != nil {
		return err
	}
	if fits := min(room.memory, room.files); fits < o.count {
		fmt.Fprintf(w, "%d connections do not fit; going on with %d\n", o.count, fits)
		o.count = fits
	}
	if o.count < 1 {
		return errors.New("there is no room for a connection")
	}

	redis, err := services.StartRedis(ctx, services.RedisOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, redis.Stop(false)) }()
	rabbit, err := services.StartRabbitMQ(ctx, services.RabbitOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rabbit.Stop(false)) }()

	g, err := startGateways(ctx, path, room.processes, redis, rabbit)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.stop()) }()
	if err := g.whole(ctx, room.processes); err != nil {
		return err
	}
	before, err := look(g.cmd.Process.Pid, 0, redis.PID())
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "cluster      %d gateways on port %s, Redis, RabbitMQ\n", room.processes, g.port)

	begun := time.Now()
	load, err := startLoad(o, path, g)
	if err != nil {
		return err
	}
	// The load tester goes on with those it has, should somebody not get in.
	if err := load.measuring(ctx); err != nil {
		return errors.Join(err, load.stop())
	}
	took := time.Since(begun)
	var n int
	if err := load.until(ctx, func() (bool, error) {
		var err error
		n, err = g.online(ctx)
		return n > 0, err
	}); err != nil {
		return errors.Join(err, load.stop())
	}
	fmt.Fprintf(w, "online       %d of %d users, in Redis, %.0f s after the first connect\n", n, o.count, took.Seconds())
	if err := g.broadcast(ctx); err != nil {
		return errors.Join(err, load.stop())
	}
	after, err := look(g.cmd.Process.Pid, load.cmd.Process.Pid, redis.PID())
	if err != nil {
		return errors.Join(err, load.stop())
	}
	show(w, before, after, o.count)
	return load.finish(o, w)
}

// gateways are the processes of serve --processes.
type gateways struct {
	cmd  *exec.Cmd
	port string
	wait func() error
	log  *tail
}

func startGateways(ctx context.Context, path string, n int, redis *services.Redis, rabbit *services.RabbitMQ) (*gateways, error) {
	g := &gateways{log: &tail{}}
	g.cmd = exec.Command(path, "serve", "--processes="+strconv.Itoa(n), "--server.port=0", "--server.address="+services.Host,
		"--server.node-id=million", "--server.event-loops=1", "--server.drain-window=0s", "--websocket.heartbeat-timeout=10m",
		"--auth.mode=jwt", "--log.level=warn",
		"--spring.data.redis.host="+services.Host, "--spring.data.redis.port="+strconv.Itoa(redis.Port()), "--spring.data.redis.timeout=5s")
	g.cmd.Env = append(os.Environ(), "CARILLON_SPRING_RABBITMQ_ADDRESSES="+rabbit.URL("/"), "AUTH_JWT_SECRET="+secret)
	g.cmd.Dir = os.TempDir() // where there is no configuration file
	g.cmd.Stderr = g.log
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if g.wait, err = services.Start(g.cmd); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the gateways did not start: %s", g.log), g.stop())
	}
	g.port = strings.TrimSpace(line[strings.LastIndexByte(line, ':')+1:])
	return g, nil
}

func (g *gateways) stop() error {
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	if err := g.wait(); err != nil {
		return fmt.Errorf("gateways: %w: %s", err, g.log)
	}
	return nil
}

func (g *gateways) call(ctx context.Context, method, path, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+services.Host+":"+g.port+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %.200s", method, path, res.Status, answer)
	}
	return string(answer), err
}

// whole waits until all gateways are members of the cluster.
func (g *gateways) whole(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		var nodes []json.RawMessage
		answer, err := g.call(ctx, "GET", "/websocket/online/nodes", "")
		if err == nil {
			err = json.Unmarshal([]byte(answer), &nodes)
		}
		if err == nil && len(nodes) == n {
			return nil
		}
		if !pause(ctx) {
			return fmt.Errorf("%d of %d gateways are in the cluster: %w: %s", len(nodes), n, errors.Join(err, ctx.Err()), g.log)
		}
	}
}

// online returns how many users are online in the cluster. An answer that does not
// come, while everybody connects, is 0.
func (g *gateways) online(ctx context.Context) (int, error) {
	bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	answer, err := g.call(bounded, "GET", "/websocket/online/count", "")
	if err != nil {
		return 0, ctx.Err()
	}
	return strconv.Atoi(answer)
}

func (g *gateways) broadcast(ctx context.Context) error {
	body, err := json.Marshal(map[string]string{"message": news + `,"data":"` + strings.Repeat("x", 90) + `"}`})
	if err != nil {
		return err
	}
	_, err = g.call(ctx, "POST", "/websocket/broadcast", string(body))
	return err
}

func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(100 * time.Millisecond):
		return true
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b.Write(p)
	if n := t.b.Len() - 1<<16; n > 0 {
		t.b.Next(n)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}
