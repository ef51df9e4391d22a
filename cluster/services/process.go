package services

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// errNotRunning is what signals to a process that has ended give.
var errNotRunning = errors.New("not running")

// command is a program to run as a child.
type command struct {
	path string
	args []string
	env  []string // nil: that of this process
	dir  string
	log  *logFile // gets its output
}

// process is a child. Any goroutine.
type process struct {
	name string
	log  *logFile
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and was waited for
}

// spawn starts a child in a process group of its own. Its output goes to a file
// directly, not through this process: a full pipe never stops it.
func spawn(c command) (*process, error) {
	out, err := c.log.open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(c.path, c.args...)
	cmd.Env, cmd.Dir = c.env, c.dir
	cmd.Stdout, cmd.Stderr = out, out
	wait, err := Start(cmd)
	if err != nil {
		return nil, err
	}
	p := &process{name: filepath.Base(c.path), log: c.log, cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = wait() // how it ended is in cmd.ProcessState
		close(p.done)
	}()
	return p, nil
}

// Start starts a program that ends with this process, whatever ends that one, as the
// servers do. It has a process group of its own. The caller calls wait, once, in
// place of cmd.Wait.
func Start(cmd *exec.Cmd) (wait func() error, err error) {
	cmd.SysProcAttr = childAttr()
	if err := forks.start(cmd); err != nil {
		return nil, err
	}
	return func() error {
		defer forks.ended()
		return cmd.Wait()
	}, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *process) signal(s os.Signal) error {
	if !p.running() {
		return fmt.Errorf("%s: %w", p.name, errNotRunning)
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// kill ends the process and its own children at once and waits for it.
func (p *process) kill() {
	if p.running() {
		_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
	}
	<-p.done
}

// terminate asks the process to end and waits; after limit it is killed, which is
// an error.
func (p *process) terminate(limit time.Duration) error {
	if !p.running() {
		return nil
	}
	// A paused process would not notice.
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		p.kill()
		return p.errorf("has not ended within %v of SIGTERM", limit)
	}
}

// pollEvery is how long to wait between two looks at a server.
const pollEvery = 10 * time.Millisecond

// await waits until ready returns nil: at most limit, and not longer than ctx and
// the process last.
func (p *process) await(ctx context.Context, limit time.Duration, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		if !p.running() {
			return p.errorf("ended early: %v", p.cmd.ProcessState)
		}
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return p.errorf("not ready within %v: %w", limit, err)
		case <-p.done:
		case <-time.After(pollEvery):
		}
	}
}

// errorf makes an error that says what the process has logged last.
func (p *process) errorf(format string, args ...any) error {
	err := fmt.Errorf(p.name+": "+format, args...)
	if tail := p.log.tail(); tail != "" {
		return fmt.Errorf("%w; the end of its log:\n%s", err, tail)
	}
	return err
}
