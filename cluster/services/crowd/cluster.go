package crowd

import (
	"bufio"
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
	"syscall"
	"time"

	"carillon/cluster/services"
)

const (
	// secret signs the tokens of a cluster that lives for minutes on one machine.
	secret = "of a cluster that lives for some minutes"
	// startLimit bounds how long the gateways may take to be one cluster.
	startLimit = 2 * time.Minute
	// answerLimit bounds one call, while everybody connects.
	answerLimit = 10 * time.Second
)

// Cluster is gateways on one port, under one supervisor, with a Redis and a RabbitMQ
// of their own; or one gateway alone. Any goroutine.
type Cluster struct {
	redis  *services.Redis
	rabbit *services.RabbitMQ
	cmd    *exec.Cmd
	port   string
	wait   func() error
	log    *tail
}

// Program returns the absolute path of a program that is there.
func Program(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return "", fmt.Errorf("%w: make build makes it", err)
	}
	return path, nil
}

// Start starts as many gateways of the program at path and waits until they are one
// cluster.
func Start(ctx context.Context, path string, gateways int) (_ *Cluster, err error) {
	c := &Cluster{log: &tail{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	if c.redis, err = services.StartRedis(ctx, services.RedisOptions{}); err != nil {
		return nil, err
	}
	// Redis has a machine of its own where there are so many gateways. Here it gets a
	// hundredth of the processors when a hundred processes want them, although it needs
	// a tenth of one. Without the right to this it has to do without.
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, c.redis.PID(), -10)
	if c.rabbit, err = services.StartRabbitMQ(ctx, services.RabbitOptions{}); err != nil {
		return nil, err
	}
	err = c.serve(path, []string{"CARILLON_SPRING_RABBITMQ_ADDRESSES=" + c.rabbit.URL("/")},
		"--processes="+strconv.Itoa(gateways), "--server.node-id=crowd", "--server.event-loops=1", "--websocket.heartbeat-timeout=10m",
		// Among a hundred processes on a few cores an answer may take seconds, and who is
		// late is not dead.
		"--cluster.lease=1m", "--server.handshake-timeout=1m",
		"--spring.data.redis.host="+services.Host, "--spring.data.redis.port="+strconv.Itoa(c.redis.Port()), "--spring.data.redis.timeout=5s")
	if err != nil {
		return nil, err
	}
	return c, c.whole(ctx, gateways)
}

// Alone starts one gateway of the program at path, which is no cluster. It runs as it
// does by default, but that clients need tokens. env are further variables for it, as
// KEY=value.
func Alone(path string, env ...string) (*Cluster, error) {
	c := &Cluster{log: &tail{}}
	if err := c.serve(path, env); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// serve starts the program and waits until it listens.
func (c *Cluster) serve(path string, env []string, args ...string) error {
	c.cmd = exec.Command(path, append([]string{"serve", "--server.port=0", "--server.address=" + services.Host,
		"--server.drain-window=0s", "--auth.mode=jwt", "--log.level=warn"}, args...)...)
	c.cmd.Env = append(append(os.Environ(), "AUTH_JWT_SECRET="+secret), env...)
	c.cmd.Dir = os.TempDir() // where there is no configuration file
	c.cmd.Stderr = c.log
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if c.wait, err = services.Start(c.cmd); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the gateways did not start: %s", c.log)
	}
	c.port = strings.TrimSpace(line[strings.LastIndexByte(line, ':')+1:])
	return nil
}

// Stop ends everything, gateways first.
func (c *Cluster) Stop() (err error) {
	if c.wait != nil {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
		if e := c.wait(); e != nil {
			err = fmt.Errorf("gateways: %w: %s", e, c.log)
		}
	}
	if c.rabbit != nil {
		err = errors.Join(err, c.rabbit.Stop(false))
	}
	if c.redis != nil {
		err = errors.Join(err, c.redis.Stop(false))
	}
	return err
}

// Port is where clients connect to on services.Host.
func (c *Cluster) Port() string { return c.port }

func (c *Cluster) pid() int { return c.cmd.Process.Pid }

// Resident returns what memory the gateways have.
func (c *Cluster) Resident() (Resident, error) { return resident(c.pid()) }

// Peak returns the most memory that a gateway alone has ever had, in bytes.
func (c *Cluster) Peak() (int64, error) {
	values, err := kilobytes(fmt.Sprintf("/proc/%d/status", c.pid()))
	return values["VmHWM"], err
}

// CPU returns the processor time that the gateways have used.
func (c *Cluster) CPU() time.Duration { return cpuTime(c.pid()) }

func (c *Cluster) call(ctx context.Context, method, path, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+services.Host+":"+c.port+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept-Encoding", "identity") // compressing takes 2 MB of a gateway's memory
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

// Metrics reads what a gateway says of itself at /metrics, by name and labels. Of several
// gateways some one answers.
func (c *Cluster) Metrics(ctx context.Context) (map[string]float64, error) {
	text, err := c.call(ctx, "GET", "/metrics", "")
	if err != nil {
		return nil, err
	}
	values := make(map[string]float64)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			values[name] = v
		}
	}
	return values, nil
}

// Profile takes a processor profile of a gateway, for so many seconds, in the format of
// go tool pprof.
func (c *Cluster) Profile(ctx context.Context, seconds int) ([]byte, error) {
	text, err := c.call(ctx, "GET", "/debug/pprof/profile?seconds="+strconv.Itoa(seconds), "")
	return []byte(text), err
}

// whole waits until all gateways are members of the cluster.
func (c *Cluster) whole(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		var nodes []json.RawMessage
		answer, err := c.call(ctx, "GET", "/websocket/online/nodes", "")
		if err == nil {
			err = json.Unmarshal([]byte(answer), &nodes)
		}
		if err == nil && len(nodes) == n {
			return nil
		}
		if !Pause(ctx, between) {
			return fmt.Errorf("%d of %d gateways are in the cluster: %w: %s", len(nodes), n, errors.Join(err, ctx.Err()), c.log)
		}
	}
}

// Online returns how many users are online in the cluster, as Redis has it. ok is
// false when no answer came, as happens while everybody connects; err is ctx's.
func (c *Cluster) Online(ctx context.Context) (n int, ok bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	answer, err := c.call(bounded, "GET", "/websocket/online/count", "")
	if err == nil {
		n, err = strconv.Atoi(answer)
	}
	if err != nil {
		return 0, false, ctx.Err()
	}
	return n, true, nil
}

// Broadcast publishes a message to everybody.
func (c *Cluster) Broadcast(ctx context.Context, message string) error {
	body, err := json.Marshal(map[string]string{"message": message})
	if err != nil {
		return err
	}
	_, err = c.call(ctx, "POST", "/websocket/broadcast", string(body))
	return err
}
