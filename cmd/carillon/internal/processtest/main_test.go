package processtest

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"carillon/cluster/services"
)

// What all tests share; each has a database and a virtual host of its own.
var (
	binary string
	redis  *services.Redis
	rabbit *services.RabbitMQ
)

const redisPassword = "hunter2-of-redis"

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "6") // they mostly wait
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	http.DefaultClient.CloseIdleConnections()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func runAll(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "carillon-processtest-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "carillon")
	args := []string{"build", "-o", binary}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "carillon/cmd/carillon")...).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build: %w\n%s", err, out)
	}
	if redis, err = services.StartRedis(context.Background(), services.RedisOptions{Password: redisPassword, Lines: []string{"databases 64"}}); err != nil {
		return 0, err
	}
	defer func() { _ = redis.Stop(false) }()
	if rabbit, err = services.StartRabbitMQ(context.Background(), services.RabbitOptions{}); err != nil {
		return 0, err
	}
	defer func() { _ = rabbit.Stop(false) }()
	return m.Run(), nil
}
