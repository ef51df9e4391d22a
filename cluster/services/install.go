package services

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Programs, and the packages of Debian and Ubuntu that have them. A sentinel is a
// redis-server started as one.
const (
	redisServer  = "redis-server"
	rabbitServer = "rabbitmq-server"
)

//go:embed install.sh
var installScript string

// Install installs the servers that the machine lacks, with apt-get, as root or by
// a sudo that asks for no password, and without starting them. When it cannot, the
// error names the packages. The functions that start a server call it.
func Install(ctx context.Context) error { return install(ctx, redisServer, rabbitServer) }

func install(ctx context.Context, packages ...string) error {
	if len(lacking(packages)) == 0 {
		return nil
	}
	lock, err := waitLock(ctx, filepath.Join(os.TempDir(), "carillon-install.lock"))
	if err != nil {
		return err
	}
	defer func() {
		_ = os.Remove(lock.Name())
		_ = lock.Close()
	}()
	// Another process may have installed them meanwhile.
	missing := lacking(packages)
	if len(missing) == 0 {
		return nil
	}
	names := strings.Join(missing, " and ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("%s is missing, and there is no apt-get: install it", names)
	}
	args := append([]string{"sh", "-c", installScript, "install.sh"}, missing...)
	if os.Geteuid() != 0 {
		args = append([]string{"sudo", "-n"}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("installing the packages %s: %w\n%s", names, err, bytes.TrimSpace(out.Bytes()))
	}
	if still := lacking(missing); len(still) > 0 {
		return fmt.Errorf("installed the packages %s, but still found no %s", names, strings.Join(still, " and "))
	}
	return nil
}

// lacking returns those of the packages whose program is not there.
func lacking(packages []string) (missing []string) {
	for _, name := range packages {
		if _, err := findProgram(name); err != nil {
			missing = append(missing, name)
		}
	}
	return missing
}

// findProgram looks in the PATH, and where Debian puts servers, which is not in the
// PATH of users.
func findProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	if path, sbinErr := exec.LookPath("/usr/sbin/" + name); sbinErr == nil {
		return path, nil
	}
	return "", err
}

// waitLock locks a file when no other process has locked it any more.
func waitLock(ctx context.Context, path string) (*os.File, error) {
	for {
		lock, err := tryLock(path)
		if err == nil || !isLocked(err) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// rabbitHome is where the parts of RabbitMQ are.
type rabbitHome struct {
	script  string // runs the broker as the current user
	plugins string // "" when not found
	epmd    string // the port mapper of Erlang
}

// findRabbit looks for the script that runs a broker as the current user: the one in
// Debian's PATH becomes the user rabbitmq.
func findRabbit() (h rabbitHome, err error) {
	scripts, _ := filepath.Glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server")
	if len(scripts) > 0 {
		h.script = scripts[len(scripts)-1]
	} else {
		path, err := findProgram(rabbitServer)
		if err != nil {
			return h, err
		}
		if h.script, err = filepath.EvalSymlinks(path); err != nil {
			return h, err
		}
	}
	plugins := filepath.Join(filepath.Dir(h.script), "..", "plugins")
	if found, _ := filepath.Glob(filepath.Join(plugins, "rabbit-*")); len(found) > 0 {
		h.plugins = plugins
	}
	h.epmd, err = findProgram("epmd")
	return h, err
}
